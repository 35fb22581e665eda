"""Instructions: a seed with its constraints, and the ladder of prompts that it is asked in.

writers/      constraints for each seed, from the catalog or by a model
ladder        the prompts L0..Ln of an instruction
stage         the stages `instructions` and `prompts`
pass_rates    the stage `pass-rates`: how often the model satisfies each hard type
corridor      from pass rates to weights of types, so that each level is neither too easy nor too hard
"""
