"""The next token from logits, drawn with each row's own random numbers."""

from collections.abc import Sequence

import torch

from ifrl_core.inference.engine import Sampling


def uniforms(seed: int, count: int) -> list[float]:
    """`count` numbers in [0, 1): one for each token of the answer with this seed."""
    found: list[float] = torch.rand(count, generator=torch.Generator().manual_seed(seed)).tolist()
    return found


def choose(logits: torch.Tensor, uniform: Sequence[float], sampling: Sampling) -> list[int]:
    """One token per row of logits (B, V): the likeliest at temperature 0, else by inverse CDF at the row's number."""
    if sampling.temperature == 0:
        greedy: list[int] = logits.argmax(dim=-1).tolist()
        return greedy
    probabilities = torch.softmax(logits.float() / sampling.temperature, dim=-1)
    if sampling.top_p < 1:
        probabilities = _nucleus(probabilities, sampling.top_p)
    cumulative = probabilities.cumsum(dim=-1)
    target = torch.tensor(uniform, device=logits.device)[:, None] * cumulative[:, -1:]
    tokens = torch.searchsorted(cumulative, target, right=True).clamp_max(logits.shape[-1] - 1)
    drawn: list[int] = tokens[:, 0].tolist()
    return drawn


def _nucleus(probabilities: torch.Tensor, top_p: float) -> torch.Tensor:
    """Keep the smallest set of tokens whose mass reaches top_p (Holtzman et al., arXiv 1904.09751)."""
    ordered, order = probabilities.sort(dim=-1, descending=True)
    ordered[ordered.cumsum(dim=-1) - ordered >= top_p] = 0.0
    return torch.zeros_like(probabilities).scatter_(1, order, ordered)
