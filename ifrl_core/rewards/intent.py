"""The intent gate by meaning: is an answer nearer to its own task than to other tasks?

A text is the mean of the last hidden states of a language model over its tokens. An answer's intent score is the share of
`references` (other seed instructions) that lie farther from it than its own seed, by cosine of vectors from which the mean
of the references is taken: 1 when no other task is nearer, about a half when it could belong to any. A model that was
trained on next tokens alone ranks well and separates badly, hence ranks. Measured against word overlap (task_drop.py) in
benchmarks/intent.md: on a 135M model words are both better and cheaper, so they are the default.
"""

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.functional import normalize
from transformers import AutoModel, AutoTokenizer

from ifrl_core.inference.length_batches import length_batches
from ifrl_core.models.dtype import device_here, usable_dtype

_MAX_TOKENS = 256  # of a text; what comes later is not read
_BATCH_TOKENS = 8_192  # at once, padding included
REFERENCES = 64
_AS_TEXT = {"add_special_tokens": False, "split_special_tokens": True}  # a mark in an answer is text


class EmbeddingIntent:
    """Intent scores by the hidden states of the model in `folder`; `references`: seed instructions, REFERENCES suffice.

    `special_tokens`: whether texts are put between those of the tokenizer, as sentence encoders were trained.
    """

    def __init__(self, folder: Path, references: Sequence[str], *, special_tokens: bool = False) -> None:
        """
        Raises:
            ValueError: without two different references there is nothing to compare with.
        """
        if len(set(references)) < 2:
            raise ValueError("the intent gate by embedding needs at least two different seed instructions")
        self._special_tokens = special_tokens
        self._device = device_here()
        self._tokenizer = AutoTokenizer.from_pretrained(folder)
        if self._tokenizer.pad_token is None:
            self._tokenizer.pad_token = self._tokenizer.eos_token
        dtype = getattr(torch, usable_dtype(device=self._device))
        self._model = AutoModel.from_pretrained(folder, dtype=dtype).to(self._device).eval()
        vectors = self._embed(references)
        self._mean = vectors.mean(0)
        self._references = normalize(vectors - self._mean, dim=-1)
        self._seeds: dict[str, Tensor] = {}

    def scores(self, seeds: Sequence[str], answers: Sequence[str]) -> list[float]:
        """The intent score in [0, 1] of each answer to its seed instruction; a blank answer scores 0."""
        for seed in sorted(set(seeds) - self._seeds.keys()):
            self._seeds[seed] = normalize(self._embed([seed])[0] - self._mean, dim=-1)
        tasks = torch.stack([self._seeds[seed] for seed in seeds])
        given = normalize(self._embed([answer.strip() or " " for answer in answers]) - self._mean, dim=-1)
        own = (given * tasks).sum(-1, keepdim=True)
        nearer = (given @ self._references.T < own).float().mean(-1).tolist()
        return [share if answer.strip() else 0.0 for share, answer in zip(nearer, answers, strict=True)]

    @torch.inference_mode()
    def _embed(self, texts: Sequence[str]) -> Tensor:
        """(len(texts), hidden) in float32: mean over tokens, texts of like length together."""
        how = {**_AS_TEXT, "add_special_tokens": self._special_tokens}
        token_ids = self._tokenizer(list(texts), truncation=True, max_length=_MAX_TOKENS, **how)
        inputs: list[list[int]] = token_ids["input_ids"]
        means: list[Tensor] = [torch.empty(0)] * len(texts)
        for places in length_batches(range(len(texts)), lambda place: len(inputs[place]), max_tokens=_BATCH_TOKENS):
            batch = self._tokenizer.pad(
                {"input_ids": [inputs[place] for place in places]}, padding_side="right", return_tensors="pt"
            ).to(self._device)
            hidden = self._model(**batch, use_cache=False).last_hidden_state.float()
            mask = batch["attention_mask"].unsqueeze(-1)
            for place, mean in zip(places, (hidden * mask).sum(1) / mask.sum(1), strict=True):
                means[place] = mean
        return torch.stack(means)
