"""The judge: a model that is asked where no rule decides, and is itself measured by rules on the spot.

ask          the gradings of many answers, run together; what a judge replied, and what could not be read
templates    its prompts: a file of our own wording each in templates/, or the user's
checks       questions to it whose truth rules know
reliability  what its word is worth: recall of violations, self-consistency, agreement with recorded verdicts
identity     who judges, with what, and what of it makes judgements anew

What a stage calls:

    check_judge(config, here=...)                                  before anything starts
    open_judge(config, model, store)                               -> Engine; `model`: None for a served judge without one
    content_of(config, names)                                      digests for a stage's content; `names`: templates in use
    described(config, model)                                       the judge as results name it
    judged(gradings, engine, config, journal, progress)            -> list[Judgement(graded, replies)]
    check_read(replies, config)                                    of all shards together; `judged` refuses what is hopeless
    reliability(answers, engine, config, journal, seed, progress)  -> Figures
    spoken(figures)                                                those figures as a sentence, for reports
"""
