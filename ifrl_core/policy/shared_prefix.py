"""Log-probabilities of the answers of a group, their prompt computed once (ifrl_core/models/packing.py).

trl pads every prompt of a pass to the longest and repeats it for each answer. Here a group is the prompt, and after it its
answers. The head of the model sees the positions that predict a token of an answer, and no other. The last token of an answer
predicts none that counts, so it is left out. On a CPU every group is a row by itself, with a mask; on CUDA the groups of a
pass lie in one row, with a mask of blocks. Nothing is padded.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from peft import PeftModel
from torch import Tensor, nn
from transformers import PreTrainedModel

from ifrl_core.models.packing import lay_out, mask_of
from ifrl_core.policy.adapter import plain_model
from ifrl_core.policy.block_attention import block_mask

# Of a group in a row with a mask, whose attention costs as much as the square of the row.
MAX_ANSWER_TOKENS = 512


class Group(NamedTuple):
    """Answers to one prompt, by their row in the pass."""

    prompt: tuple[int, ...]
    answers: dict[int, list[int]]


class Predicted(NamedTuple):
    """Of every token of the answers of a pass (B, C), 0 where there is none; `entropies` where the head gives them."""

    log_probs: Tensor
    entropies: Tensor | None


class Line(NamedTuple):
    """A row of T tokens that holds groups (as packing.sees wants them): `kept` positions predict the `targets` (N)."""

    ids: list[int]
    positions: list[int]
    parts: list[int]
    heads: list[int]
    kept: list[int]
    targets: list[int]


def groups_of(input_ids: Tensor, mask: Tensor, answer_tokens: int) -> list[Group]:
    """The groups of a pass as trl lays it out: (B, P + C) ids, prompts padded on the left, answers on the right.

    Rows without a token of an answer are left out.
    """
    begin = input_ids.shape[1] - answer_tokens
    answers: dict[tuple[int, ...], dict[int, list[int]]] = {}
    for row, (ids, kept) in enumerate(zip(input_ids.tolist(), mask.tolist(), strict=True)):
        prompt, answer = (
            [id for id, keep in zip(ids[part], kept[part], strict=True) if keep]
            for part in (slice(None, begin), slice(begin, None))
        )
        if answer:
            answers.setdefault(tuple(prompt), {})[row] = answer
    return [Group(prompt, found) for prompt, found in answers.items()]


def line_of(groups: Sequence[Group]) -> Line:
    """Groups one after another."""
    line = Line([], [], [], [], [], [])
    part = 0
    for group in groups:
        answers, begin = list(group.answers.values()), len(line.ids)
        row = lay_out(group.prompt, [answer[:-1] for answer in answers])
        line.ids.extend(row.ids)
        line.positions.extend(row.positions)
        line.parts.extend(part + of_row for of_row in row.parts)
        line.heads.extend([part] * len(row.ids))
        for start, answer in zip(row.starts, answers, strict=True):
            line.kept.append(begin + len(group.prompt) - 1)
            line.kept.extend(range(begin + start, begin + start + len(answer) - 1))
            line.targets.extend(answer)
        part += len(answers) + 1
    return line


class SharedPrefix:
    """Computes groups with models that have trl's fused head (trl.trainer.utils.add_fused_lm_head).

    With `blocks` the models must have block_attention's attention.
    """

    def __init__(self, models: Sequence[PreTrainedModel | PeftModel], *, blocks: bool = False) -> None:
        self.blocks = blocks
        self._kept: Tensor | None = None
        bodies = [plain_model(model).base_model for model in models]
        self._hooks = [body.register_forward_hook(self._keep) for body in bodies]

    def close(self) -> None:
        """Leave the models as they were."""
        for hook in self._hooks:
            hook.remove()

    def _keep(self, body: nn.Module, arguments: Any, output: Any) -> Any:
        if self._kept is not None:
            output.last_hidden_state = output.last_hidden_state[:, self._kept]
        return output

    def __call__(self, model: nn.Module, groups: Sequence[Group], mask: Tensor) -> Predicted:
        """`model` may be wrapped; `mask` (B, C) is True at the tokens of the answers that `groups` hold."""
        found: dict[int, tuple[Tensor, Tensor | None]] = {}
        for together in [groups] if self.blocks and groups else [[part] for group in groups for part in _cut(group)]:
            output = self._forward(model, line_of(together), mask.device)
            answers = {row: len(answer) for group in together for row, answer in group.answers.items()}
            lengths = list(answers.values())
            entropies = [None] * len(lengths) if output.entropy is None else output.entropy[0].split(lengths)
            parts = zip(output.log_probs[0].split(lengths), entropies, strict=True)
            found.update(zip(answers, parts, strict=True))
        if not found:  # a constant, which a backward pass may start from
            nothing = torch.zeros(mask.shape, device=mask.device, requires_grad=torch.is_grad_enabled())
            return Predicted(nothing, nothing.detach())
        log_probs, spread = zip(*(found[row] for row in sorted(found)), strict=True)
        return Predicted(_spread(log_probs, mask), None if spread[0] is None else _spread(spread, mask))

    def _forward(self, model: nn.Module, line: Line, device: torch.device) -> Any:
        ids, positions, parts, heads, targets = (
            torch.tensor([values], device=device)
            for values in (line.ids, line.positions, line.parts, line.heads, line.targets)
        )
        self._kept = torch.tensor(line.kept, device=device)
        try:
            return model(
                input_ids=ids,
                position_ids=positions,
                attention_mask=block_mask(parts, heads) if self.blocks else mask_of(parts, heads),
                shift_labels=targets,
                fused_lm_head=True,
            )
        finally:
            self._kept = None


def _spread(parts: Sequence[Tensor], mask: Tensor) -> Tensor:
    values = torch.cat(list(parts))
    return values.new_zeros(mask.shape).masked_scatter(mask, values)


def _cut(group: Group) -> list[Group]:
    """In parts of at most MAX_ANSWER_TOKENS, or of one answer."""
    parts: list[dict[int, list[int]]] = []
    tokens = 0
    for row, answer in group.answers.items():
        if not parts or tokens + len(answer) > MAX_ANSWER_TOKENS:
            parts.append({})
            tokens = 0
        parts[-1][row] = answer
        tokens += len(answer)
    return [Group(group.prompt, part) for part in parts]
