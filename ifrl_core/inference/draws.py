"""The next token from logits, drawn with each row's own random numbers."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import pad

from ifrl_core.inference.engine import Sampling

_BLOCK = 256


def uniforms(seed: int, count: int) -> list[float]:
    """`count` numbers in [0, 1): one for each token of the completion with this seed."""
    numbers: list[float] = torch.rand(count, generator=torch.Generator().manual_seed(seed)).tolist()
    return numbers


def draw(logits: Tensor, numbers: Sequence[float], sampling: Sampling) -> list[int]:
    """One token per row of logits (B, V): the likeliest at temperature 0, else by inverse CDF at the row's number."""
    if sampling.temperature == 0:
        greedy: list[int] = logits.argmax(dim=-1).tolist()
        return greedy
    warm = logits if sampling.temperature == 1 else logits.float() / sampling.temperature
    probabilities = torch.softmax(warm, dim=-1, dtype=torch.float32)
    if sampling.top_p < 1:
        probabilities = _nucleus(probabilities, sampling.top_p)
    tokens: list[int] = _inverse_cdf(probabilities, torch.tensor(numbers, device=logits.device)[:, None]).tolist()
    return tokens


def _inverse_cdf(probabilities: Tensor, uniform: Tensor) -> Tensor:
    """The first token (B,) whose running sum of probabilities (B, V) exceeds `uniform` (B, 1) of their total.

    In two steps, the block and then the token within it: a running sum over a whole vocabulary is not vectorised. Sums are
    in float64, as torch's own running sum on the CPU, and rounded to float32 where compared: the token is the one that a
    running sum over the vocabulary gives.
    """
    rows = len(probabilities)
    blocks = pad(probabilities, (0, -probabilities.shape[1] % _BLOCK)).view(rows, -1, _BLOCK)
    upto = blocks.sum(dim=-1, dtype=torch.float64).cumsum(dim=-1)  # (B, blocks)
    total = upto[:, -1:].float()
    target = _below(total, uniform * total)
    block = torch.searchsorted(upto.float(), target, right=True).clamp_max(upto.shape[1] - 1)  # (B, 1)
    inside = blocks[torch.arange(rows, device=blocks.device), block[:, 0]].double()
    before = upto.gather(1, block) - inside.sum(dim=-1, keepdim=True)
    within = (before + inside.cumsum(dim=-1)).float()
    token = torch.searchsorted(within, _below(within[:, -1:], target), right=True)
    return (block * _BLOCK + token)[:, 0].clamp_max(probabilities.shape[1] - 1)


def _below(limit: Tensor, target: Tensor) -> Tensor:
    """`target`, or the number next below `limit` where rounding reached that: a token without probability would lie there."""
    return torch.minimum(target, torch.nextafter(limit, torch.zeros_like(limit)))


def _nucleus(probabilities: Tensor, top_p: float) -> Tensor:
    """Keep the smallest set of tokens whose mass reaches top_p (Holtzman et al., arXiv 1904.09751)."""
    ordered, order = probabilities.sort(dim=-1, descending=True)
    ordered[ordered.cumsum(dim=-1) - ordered >= top_p] = 0.0
    return torch.zeros_like(probabilities).scatter_(1, order, ordered)
