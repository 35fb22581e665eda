"""The judge: a model that is asked where no rule decides, and is itself measured by rules on the spot.

ask          the gradings of many answers, run together; what a judge replied, and what could not be read
templates    its prompts: a file of our own wording each in templates/, or the user's
reliability  what its word is worth: recall of violations, self-consistency, agreement with recorded verdicts

The two signatures that a stage calls:

    judged(gradings, engine, config, templates, journal=path, progress=...) -> list[Judgement]
    reliability(answers, engine, config, templates, journal=path, seed=..., progress=...) -> Figures
"""
