"""Losses of the reward model that know the label noise (noise.py gives the rates).

ignore       BCE(s, L) with s = P(y=1 | x), the paper's
posterior    BCE(s, P(y=1 | L, type)): each label stands for what it is worth. At its optimum s is the truth's probability as
             far as labels show it; a type whose labels say nothing is learnt as its base rate
rates        forward correction (Patrini et al., arXiv 1609.03683): BCE(s P(L=1|y=1) + (1-s) P(L=1|y=0), L). At its optimum s
             is the truth's probability, not the label's
unlabelled   positives as unlabelled, negatives as labelled: the non-negative risk of PU learning (Kiryo et al., arXiv
             1703.00593) with the classes swapped, since here it is the negatives that can be believed
"""

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, logsigmoid


def posterior_loss(logits: Tensor, labels: Tensor, prior: Tensor, missed: Tensor) -> Tensor:
    """Summed cross-entropy of (N,) logits against P(y=1 | L): `prior` of positives, `missed` of negatives, (N,) each."""
    return binary_cross_entropy_with_logits(logits, torch.where(labels > 0.5, prior, missed), reduction="sum")


def corrected_loss(logits: Tensor, labels: Tensor, hit: Tensor, false_alarm: Tensor) -> Tensor:
    """Summed forward-corrected cross-entropy of (N,) logits against labels in {0, 1}; rates (N,) in (0, 1)."""
    truth = logits.sigmoid()
    predicted = (truth * hit + (1 - truth) * false_alarm).clamp(1e-6, 1 - 1e-6)
    return -(labels * predicted.log() + (1 - labels) * (1 - predicted).log()).sum()


def unlabelled_loss(logits: Tensor, labels: Tensor, prior: Tensor) -> Tensor:
    """Summed non-negative risk with the positives (N,) unlabelled; `prior` (N,): share of them that is satisfied.

    A positive pair counts as the mean of both truths; of that, what its negative share explains is taken off again, and
    never more than there is: max(0, risk of U as satisfied - (1 - prior) risk of N as satisfied) + (1 - prior) risk of N.
    """
    as_satisfied, as_violated = -logsigmoid(logits), -logsigmoid(-logits)
    unlabelled, negative = labels > 0.5, labels <= 0.5
    n_unlabelled, n_negative = unlabelled.sum().clamp_min(1), negative.sum().clamp_min(1)
    violated = 1 - prior
    of_negative = (violated * as_violated)[negative].sum() / n_negative
    positive = as_satisfied[unlabelled].sum() / n_unlabelled - (violated * as_satisfied)[negative].sum() / n_negative
    return (of_negative + torch.relu(positive)) * len(logits)
