"""A short supervised start (warm_start): before GRPO the policy learns from answers that are right by rules.

    own      answers of its own that meet the hard constraints of a prompt
    calls    tool calls that rules build: the tool that is asked for, with arguments of the right types
    values   what such a call says: the user's words, numbers and names
    choice   which of them are learnt from: types of constraints take turns
    stage    the model that GRPO starts from; process: its training

No label and no other model has a part in it: that an answer is right is what rules say.
"""
