"""The untrained backbone as a judge: P(Yes) / (P(Yes) + P(No)) as the next token after response and constraint.

The question is the reward model's own template, inside the tokenizer's chat template where there is one, and the backbone
keeps all its layers and its language-model head (`layers` cuts only the reward model). Capitals and a leading space are
one answer: their probabilities are summed.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor
from transformers import AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase

from ifrl_core.models.dtype import device_here, usable_dtype
from ifrl_core.models.load import load_causal_model
from ifrl_core.models.looks.chat import positions_of
from ifrl_core.reward_model.model.packing import Packed, collate, pack, token_batches
from ifrl_core.reward_model.model.score import tokens_at_once
from ifrl_core.reward_model.model.template import Encoded, encode

YES = ("Yes", " Yes", "yes", " yes")
NO = ("No", " No", "no", " no")
_ASK = " Yes or No?"
_PLACE = "\0"  # stands for the question in the chat template


def zero_shot_probabilities(folder: Path, pairs: Sequence[tuple[str, str]], max_tokens: int) -> list[float | None]:
    """One probability per (response, constraint text), in their order; None where the constraint leaves no room."""
    device = device_here()
    tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(folder)
    model: PreTrainedModel = load_causal_model(
        folder, dtype=getattr(torch, usable_dtype(device=device)), attn_implementation="sdpa"
    )
    model.eval().to(device)
    answers = [first_tokens(tokenizer, words) for words in (YES, NO)]
    scores: list[float | None] = [None] * len(pairs)
    most = min(max_tokens, _room(tokenizer, positions_of(model.config.to_dict())))
    for rows in token_batches(pack(questions(tokenizer, pairs, most)), tokens_at_once(device)):
        places, found = _answered(model, rows, answers)
        for place, probability in zip(places, found.tolist(), strict=True):
            scores[place] = probability
    return scores


def _room(tokenizer: PreTrainedTokenizerBase, positions: int | None) -> int:
    """Tokens of response and constraint that the chat template leaves of a model's positions."""
    before, after = _around(tokenizer)
    return sys.maxsize if positions is None else positions - len(before) - len(after)


def questions(
    tokenizer: PreTrainedTokenizerBase, pairs: Sequence[tuple[str, str]], max_tokens: int
) -> list[Encoded | None]:
    """Token ids of the questions: what the reward model sees (`max_tokens`), and the chat template around it."""
    before, after = _around(tokenizer)
    encoded = encode(tokenizer, pairs, max_tokens)
    return [None if item is None else Encoded(before + item.head, item.tail + after) for item in encoded]


def first_tokens(tokenizer: PreTrainedTokenizerBase, words: Sequence[str]) -> list[int]:
    """The distinct first tokens of ways to spell one answer."""
    return sorted({tokenizer.encode(word, add_special_tokens=False)[0] for word in words})


def _around(tokenizer: PreTrainedTokenizerBase) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """What stands before and after the template's text."""
    if tokenizer.chat_template is None:
        return tuple(tokenizer.encode("")), ()
    chat = [{"role": "user", "content": _PLACE}]
    text = str(tokenizer.apply_chat_template(chat, tokenize=False, add_generation_prompt=True, enable_thinking=False))
    before, _, after = text.partition(_PLACE)
    first, last = (tokenizer.encode(part, add_special_tokens=False) for part in (before, _ASK + after))
    return tuple(first), tuple(last)


@torch.inference_mode()
def _answered(model: PreTrainedModel, rows: list[Packed], answers: list[list[int]]) -> tuple[tuple[int, ...], Tensor]:
    """The places of the rows' pairs and their P(Yes) / (P(Yes) + P(No)), (N,)."""
    batch = collate(rows, model.config.pad_token_id or 0)
    ids, positions, mask = (
        part.to(model.device) for part in (batch.input_ids, batch.position_ids, batch.attention_mask)
    )
    hidden = model.base_model(ids, position_ids=positions, attention_mask=mask, use_cache=False).last_hidden_state
    logits = model.get_output_embeddings()(hidden[batch.rows, batch.ends]).float()  # (N, vocabulary)
    yes, no = (logits[:, tokens].logsumexp(dim=-1) for tokens in answers)
    return batch.places, (yes - no).sigmoid()
