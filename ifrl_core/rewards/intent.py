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

from ifrl_core.inference.text_vectors import TextVectors

REFERENCES = 64


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
        self._embed = TextVectors(folder, special_tokens=special_tokens)
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
