"""How likely a language model finds given answers, and how much likelier when a constraint is asked for.

s(y, c) = mean over the tokens of y of log p(token | prompt with c) - log p(token | prompt without c). Nothing is trained and
no label is read; an answer that repeats the words of c scores high, whether or not it does what they say. After Liu et al.,
arXiv 2402.08309 (DLMA), where a pair of prompts ranks answers.

Answers to one prompt share its tokens in one row (ifrl_core/models/packing.py).
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor
from transformers import AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase

from ifrl_core.inference.prompts import prompt_ids
from ifrl_core.models.dtype import device_here, usable_dtype
from ifrl_core.models.load import load_causal_model
from ifrl_core.models.packing import lay_out, mask_of
from ifrl_core.records import Message

_MOST_TOKENS = 512  # of the answers in a row, whose attention costs as much as its square


class Asked(NamedTuple):
    """An answer, and the messages that ask for it without and with one constraint."""

    without: Sequence[Message]
    including: Sequence[Message]
    answer: str


Ids = tuple[int, ...]


class Likelihood:
    """A language model that says how likely answers are."""

    def __init__(self, folder: Path) -> None:
        device = device_here()
        self._tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(folder)
        self._model = load_causal_model(
            folder, dtype=getattr(torch, usable_dtype(device=device)), attn_implementation="sdpa"
        )
        self._model.eval().to(device)

    def contrasts(self, asked: Sequence[Asked]) -> list[float | None]:
        """The contrast of each, in nats a token, in their order; None of an empty answer."""
        return [None if part is None else float(part.mean()) for part in self.of_tokens(asked)]

    def of_tokens(self, asked: Sequence[Asked]) -> list[Tensor | None]:
        """Of each, in their order, what every token of the answer adds to it, in nats, (T,); None of an empty answer."""
        answers = [tuple(self._tokenizer(item.answer, add_special_tokens=False)["input_ids"]) for item in asked]
        prompts = [[tuple(prompt_ids(self._tokenizer, messages)) for messages in item[:2]] for item in asked]
        wanted: dict[Ids, dict[Ids, None]] = {}  # answers by prompt, each once
        for answer, sides in zip(answers, prompts, strict=True):
            for prompt in sides if answer else ():
                wanted.setdefault(prompt, {})[answer] = None
        found = {
            (prompt, answer): values
            for prompt, of_prompt in wanted.items()
            for part in _parts(list(of_prompt))
            for answer, values in zip(part, log_probs(self._model, prompt, part), strict=True)
        }
        return [
            found[including, answer] - found[without, answer] if answer else None
            for answer, (without, including) in zip(answers, prompts, strict=True)
        ]


@torch.inference_mode()
def log_probs(model: PreTrainedModel, prompt: Ids, answers: Sequence[Ids]) -> list[Tensor]:
    """Of each answer after a prompt, the log-probabilities of its tokens, (T,)."""
    row = lay_out(prompt, [answer[:-1] for answer in answers])
    ids, positions, parts = (torch.tensor([part], device=model.device) for part in (row.ids, row.positions, row.parts))
    hidden = model.base_model(
        ids, position_ids=positions, attention_mask=mask_of(parts, torch.zeros_like(parts)), use_cache=False
    ).last_hidden_state[0]
    before = [  # of each token, the position that predicts it
        place
        for start, answer in zip(row.starts, answers, strict=True)
        for place in (len(prompt) - 1, *range(start, start + len(answer) - 1))
    ]
    logits: Tensor = model.get_output_embeddings()(hidden[before]).float()  # (tokens, vocabulary)
    targets = torch.tensor([token for answer in answers for token in answer], device=model.device)
    found = -torch.nn.functional.cross_entropy(logits, targets, reduction="none")
    return list(found.split([len(answer) for answer in answers]))


def _parts(answers: Sequence[Ids]) -> Iterator[list[Ids]]:
    part: list[Ids] = []
    for answer in answers:
        if part and sum(map(len, part)) + len(answer) > _MOST_TOKENS:
            yield part
            part = []
        part.append(answer)
    yield part
