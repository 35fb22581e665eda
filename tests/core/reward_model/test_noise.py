"""Losses that know the label noise: they find the truth where plain cross-entropy finds the labels."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ifrl_core.reward_model.train.losses import corrected_loss, posterior_loss, unlabelled_loss
from ifrl_core.reward_model.train.noise import POOLED, Rates, rates_by_type, rates_of

HIT, FALSE_ALARM = 0.9, 0.6  # positives are mostly wrong, negatives mostly right


def row(true_positives: int, positives: int, true_negatives: int, negatives: int) -> dict[str, dict[str, int]]:
    return {
        "positives": {"agree": true_positives, "total": positives},
        "negatives": {"agree": true_negatives, "total": negatives},
    }


def noisy(count: int = 6000) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Two kinds of answers, satisfied with probability 0.1 and 0.8, and labels that are wrong at the rates above."""
    source = torch.Generator().manual_seed(0)
    kind = torch.arange(count) % 2
    truth = (torch.rand(count, generator=source) < torch.where(kind == 0, 0.1, 0.8)).float()
    flip = torch.where(truth == 1, HIT, FALSE_ALARM)
    return kind, truth, (torch.rand(count, generator=source) < flip).float()


def learnt(loss: str) -> list[float]:
    """What a classifier with one free logit a kind says after it has converged."""
    kind, truth, labels = noisy()
    prior = float((truth * labels).sum() / labels.sum())
    missed = float((truth * (1 - labels)).sum() / (1 - labels).sum())
    logits = torch.zeros(2, requires_grad=True)
    optimizer = torch.optim.Adam([logits], lr=0.05)
    for _ in range(400):
        each = logits[kind]
        rates = [torch.full_like(each, value) for value in (HIT, FALSE_ALARM, prior)]
        if loss == "ignore":
            total = torch.nn.functional.binary_cross_entropy_with_logits(each, labels, reduction="sum")
        elif loss == "rates":
            total = corrected_loss(each, labels, rates[0], rates[1])
        elif loss == "posterior":
            total = posterior_loss(each, labels, rates[2], torch.full_like(each, missed))
        else:
            total = unlabelled_loss(each, labels, rates[2])
        optimizer.zero_grad()
        (total / len(labels)).backward()
        optimizer.step()
    return list(logits.detach().sigmoid().tolist())


def test_corrected_loss_learns_the_truth_and_plain_cross_entropy_the_labels() -> None:
    plain, corrected = learnt("ignore"), learnt("rates")
    assert plain == pytest.approx([0.63, 0.84], abs=0.03)
    assert corrected == pytest.approx([0.1, 0.8], abs=0.08)


def test_labels_as_their_posterior_are_calibrated_on_the_whole_and_rank_as_the_labels_do() -> None:
    low, high = learnt("posterior")
    assert (low + high) / 2 == pytest.approx(0.45, abs=0.03)  # the base rate of both kinds, which are alike in number
    assert low < high


def test_positives_as_unlabelled_keep_the_kinds_further_apart_than_plain_cross_entropy() -> None:
    plain, unlabelled = learnt("ignore"), learnt("unlabelled")
    assert unlabelled[0] < 0.3
    assert unlabelled[1] - unlabelled[0] > 2 * (plain[1] - plain[0])


def test_rates_come_from_the_audit_by_type_and_lean_on_the_pooled_ones_where_pairs_are_few() -> None:
    audit = {
        "overall": row(100, 200, 160, 200),
        "by_type": {"a:clear": row(90, 100, 100, 100), "a:tiny": row(0, 1, 1, 1)},
    }
    rates = rates_by_type(audit)
    pooled = rates[POOLED]
    assert pooled.hit == pytest.approx(100 / 140, abs=0.01)
    assert pooled.false_alarm == pytest.approx(100 / 260, abs=0.01)
    assert pooled.prior == pytest.approx(0.5, abs=0.01)
    assert rates["a:clear"].hit > 0.9
    assert abs(rates["a:tiny"].hit - pooled.hit) < 0.1
    assert rates_of(rates, "tone:tone") == pooled
    assert pooled.informative
    assert not Rates(hit=0.5, false_alarm=0.5, prior=0.5, missed=0.5).informative


def test_without_hard_constraints_there_are_no_rates() -> None:
    assert rates_by_type({"overall": row(0, 0, 0, 0), "by_type": {}}) == {}


counts = st.tuples(*[st.integers(0, 50)] * 4).map(lambda n: row(n[0], n[0] + n[1], n[2], n[2] + n[3]))


@given(counts, counts)
def test_rates_are_probabilities_that_no_loss_divides_by_zero_with(overall: dict, of_type: dict) -> None:  # type: ignore[type-arg]
    rates = rates_by_type({"overall": overall, "by_type": {"a:b": of_type}})
    for found in rates.values():
        assert 0 < found.hit < 1
        assert 0 < found.false_alarm < 1
        assert 0 < found.prior < 1


@given(st.lists(st.tuples(st.floats(-50, 50), st.booleans()), min_size=1, max_size=8), st.floats(0.01, 0.99))
def test_losses_are_finite_and_never_negative(pairs: list[tuple[float, bool]], prior: float) -> None:
    logits = torch.tensor([logit for logit, _ in pairs], requires_grad=True)
    labels = torch.tensor([float(label) for _, label in pairs])
    rate = torch.full_like(logits, prior)
    for loss in (corrected_loss(logits, labels, rate, rate / 2), unlabelled_loss(logits, labels, rate)):
        assert 0 <= float(loss.detach()) < float("inf")
        (gradient,) = torch.autograd.grad(loss, logits, retain_graph=True)
        assert torch.isfinite(gradient).all()
