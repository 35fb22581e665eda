"""Log-probabilities of the answers of a group, their prompt computed once (ifrl_core/models/packing.py).

trl pads every prompt of a pass to the longest and repeats it for each answer. Here a group is a row of its own: the prompt,
and after it its answers. The head of the model sees the positions that predict a token of an answer, and no other. The last
token of an answer predicts none that counts, so it is not in the row.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from peft import PeftModel
from torch import Tensor, nn
from transformers import PreTrainedModel

from ifrl_core.models.packing import lay_out, sees
from ifrl_core.policy.adapter import plain_model

# Of a group in one row: the mask makes the attention of a row as costly as its square, while the prompt is saved once.
MAX_ANSWER_TOKENS = 512


class Group(NamedTuple):
    """Answers to one prompt, by their row in the pass."""

    prompt: tuple[int, ...]
    answers: dict[int, list[int]]

    @property
    def longest(self) -> int:
        """Tokens of the prompt with its longest answer."""
        return len(self.prompt) + max(map(len, self.answers.values()))


class Predicted(NamedTuple):
    """Of every token of the answers of a pass (B, C), 0 where there is none; `entropies` where the head gives them."""

    log_probs: Tensor
    entropies: Tensor | None


def groups_of(input_ids: Tensor, mask: Tensor, answer_tokens: int) -> list[Group]:
    """The groups of a pass as trl lays it out: (B, P + C) ids, prompts padded on the left, answers on the right.

    Rows without a token of an answer are left out. A group of more than MAX_ANSWER_TOKENS is cut in several.
    """
    begin = input_ids.shape[1] - answer_tokens
    answers: dict[tuple[int, ...], dict[int, list[int]]] = {}
    for row, (ids, kept) in enumerate(zip(input_ids.tolist(), mask.tolist(), strict=True)):
        tokens = [[id for id, keep in zip(ids[part], kept[part], strict=True) if keep] for part in _parts(begin)]
        if tokens[1]:
            answers.setdefault(tuple(tokens[0]), {})[row] = tokens[1]
    return [Group(prompt, chunk) for prompt, found in answers.items() for chunk in _within(found)]


class SharedPrefix:
    """Computes groups with models that have trl's fused head (trl.trainer.utils.add_fused_lm_head)."""

    def __init__(self, models: Sequence[PreTrainedModel | PeftModel]) -> None:
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
        found = {}
        for group in groups:
            output = self._forward(model, group, mask.device)
            lengths = [len(answer) for answer in group.answers.values()]
            fields = (output.log_probs, output.entropy)
            parts = [[None] * len(lengths) if field is None else field[0].split(lengths) for field in fields]
            found.update(dict(zip(group.answers, zip(*parts, strict=True), strict=True)))
        if not found:  # a constant, which a backward pass may start from
            nothing = torch.zeros(mask.shape, device=mask.device, requires_grad=torch.is_grad_enabled())
            return Predicted(nothing, nothing.detach())
        log_probs, entropies = zip(*(found[row] for row in sorted(found)), strict=True)
        return Predicted(_spread(log_probs, mask), None if entropies[0] is None else _spread(entropies, mask))

    def _forward(self, model: nn.Module, group: Group, device: torch.device) -> Any:
        answers = list(group.answers.values())
        row = lay_out(group.prompt, [answer[:-1] for answer in answers])
        last = len(group.prompt) - 1
        self._kept = torch.tensor(
            [
                place
                for start, answer in zip(row.starts, answers, strict=True)
                for place in (last, *range(start, start + len(answer) - 1))
            ],
            device=device,
        )
        try:
            return model(
                input_ids=torch.tensor([row.ids], device=device),
                position_ids=torch.tensor([row.positions], device=device),
                attention_mask=sees(torch.tensor([row.parts], device=device)),
                shift_labels=torch.tensor([[token for answer in answers for token in answer]], device=device),
                fused_lm_head=True,
            )
        finally:
            self._kept = None


def _spread(parts: Sequence[Tensor], mask: Tensor) -> Tensor:
    values = torch.cat(list(parts))
    return values.new_zeros(mask.shape).masked_scatter(mask, values)


def _parts(begin: int) -> tuple[slice, slice]:
    return slice(None, begin), slice(begin, None)


def _within(answers: dict[int, list[int]]) -> list[dict[int, list[int]]]:
    chunks: list[dict[int, list[int]]] = []
    tokens = 0
    for row, answer in answers.items():
        if not chunks or tokens + len(answer) > MAX_ANSWER_TOKENS:
            chunks.append({})
            tokens = 0
        chunks[-1][row] = answer
        tokens += len(answer)
    return chunks
