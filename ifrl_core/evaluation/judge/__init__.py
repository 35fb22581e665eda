"""The judge: a model that is asked where no rule decides, and is itself measured by rules on the spot.

ask          the gradings of many answers, run together; what a judge replied, and what could not be read
templates    its prompts: a file of our own wording each in templates/, or the user's
reliability  what its word is worth: recall of violations, self-consistency, agreement with recorded verdicts

What a stage calls:

    check_judge(config, here=...)                                  before anything starts (check.py)
    content_of(config, names)                                      digests of templates and recorded verdicts: identity
    judged(gradings, engine, config, journal, progress)            -> list[Judgement(graded, replies)]
    check_read(replies, config)                                    of all shards together; `judged` refuses what is hopeless
    reliability(answers, engine, config, journal, seed, progress)  -> Figures
    spoken(figures)                                                those figures as a sentence, for reports

`engine` is `open_engine(config, model, store, servers=JUDGES)`.
"""
