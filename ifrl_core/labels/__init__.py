"""Answers of the policy become pseudo-labels, which rules audit and filters thin out.

contrasts   which (answer, constraint) is a positive, which a negative     filters     which of them are dropped, and why
selection   which training labels are trained on                           audit       how far labels agree with the rules
stage       all of it, in one pass                                         rounds      the labels of one round after another
people/     blind sheets for people, and what they say

The counts of a labels artifact are of one of three populations, each a part of the one before:

candidates  every member of every contrast: figures `filters`
audited     what filters leave that do not ask a rule, of all types: figures `audit`
trained     the rows of split "train", after rules and types have chosen: figures `training_audit`, `counts.train_*`

Validation rows (kept from the reward model, of instructions of their own) are the audited ones: nothing chooses among them.
The reward model's `counts.train_pairs` are what it took of the trained ones: at most `max_pairs`.
"""
