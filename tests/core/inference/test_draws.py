"""Drawn tokens: as often as they are probable, and those of a running sum over the vocabulary."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ifrl_core.inference.draws import draw, uniforms
from ifrl_core.inference.engine import Sampling


@pytest.mark.parametrize("vocabulary", [5, 256, 700])
def test_tokens_are_drawn_as_often_as_they_are_probable(vocabulary: int) -> None:
    # 10,000 draws of 5 tokens: a frequency is off by 0.03 (6 standard deviations) with odds of 1e-8.
    probabilities = torch.zeros(vocabulary)
    tokens = torch.linspace(0, vocabulary - 1, 5).long()
    probabilities[tokens] = torch.tensor([0.5, 0.3, 0.1, 0.09, 0.01])
    drawn = draw(probabilities.log().expand(10_000, -1), uniforms(0, 10_000), Sampling(1))
    frequencies = torch.bincount(torch.tensor(drawn), minlength=vocabulary) / len(drawn)
    assert frequencies.shape == probabilities.shape
    assert bool((frequencies[probabilities == 0] == 0).all())
    torch.testing.assert_close(frequencies, probabilities, atol=0.03, rtol=0)


@pytest.mark.parametrize("spread", [0.5, 2.0, 6.0])
def test_a_drawn_token_is_that_of_the_running_sum(spread: float) -> None:
    """At numbers where one token ends and the next begins: another order of rounding would draw a neighbour."""
    source = torch.Generator().manual_seed(1)
    logits = spread * torch.randn(200, 5_000, generator=source)
    cumulative = torch.softmax(logits, dim=-1).cumsum(dim=-1)
    total = cumulative[:, -1:]
    borders = torch.randint(0, 4_000, (200, 1), generator=source)
    numbers = cumulative.gather(1, borders) / total
    expected = torch.searchsorted(cumulative, numbers * total, right=True)[:, 0].tolist()
    assert draw(logits, numbers[:, 0].tolist(), Sampling(1)) == expected


@given(
    st.lists(st.integers(0, 599), min_size=1, max_size=5, unique=True),
    st.sampled_from([0.0, 0.5, 1 - 2**-24]),
    st.floats(-30, 30),
)
def test_a_token_without_probability_is_never_drawn(possible: list[int], uniform: float, logit: float) -> None:
    logits = torch.full((1, 600), -torch.inf)
    logits[0, possible] = logit * torch.arange(len(possible))
    probable = torch.softmax(logits, dim=-1)[0] > 0
    assert probable[draw(logits, [uniform], Sampling(1))[0]]


@given(uniform=st.floats(0, 1, exclude_max=True, width=32), top_p=st.floats(0.01, 1))
def test_a_drawn_token_lies_in_the_nucleus(uniform: float, top_p: float) -> None:
    probabilities = torch.tensor([[0.1, 0.4, 0.2, 0.3]])
    (token,) = draw(probabilities.log(), [uniform], Sampling(1, top_p=top_p))
    above = probabilities[probabilities > probabilities[0, token]].sum()
    assert above < top_p + 1e-6
