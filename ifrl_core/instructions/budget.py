"""How long an answer may be in words, for the tokens that a recipe gives it; and which given instructions ask for more."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from ifrl_core.config import InstructionsConfig, PipelineConfig
from ifrl_core.seeds.read import SeedText

# Words of a token of an answer: the median over 426 answers of SmolLM2-135M to held-out instructions is 0.75 (a tenth are
# below 0.53), over IFEval's and IFBench's, which hold more markup, 0.67 and 0.70. Scripts without spaces have fewer.
WORDS_PER_TOKEN = 0.75

_NUMBER = r"(\d{1,3}(?:,\d{3}){1,3}|\d{1,9})"
_DEMANDS = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        rf"\b(?:at least|minimum of|no (?:less|fewer) than|not (?:less|fewer) than|more than|over) {_NUMBER} words\b",
        rf"\b{_NUMBER}\+ words?\b",
        rf"\b{_NUMBER}(?: or more words| words or more| words long)\b",
        rf"\b(?:write|compose|draft|create|give me|need|want) (?:me )?an? {_NUMBER}\+?[- ]words?\b",
        rf"\bin (?:about |around |exactly |approximately )?{_NUMBER} words\b",
    )
)


def words_in(tokens: int) -> int:
    """About so many words of an answer are in its tokens."""
    return max(1, int(tokens * WORDS_PER_TOKEN))


@dataclass(frozen=True)
class Budget:
    """The longest answer that instructions may ask for, in words, and the field of the recipe that says so."""

    words: int
    field: str
    tokens: int | None  # of that field; None: it is in words itself

    def __str__(self) -> str:
        held = "" if self.tokens is None else f": about what {self.tokens} tokens hold"
        return f"{self.words} words ({self.field}{held})"


def answer_budget(recipe: PipelineConfig) -> Budget:
    """The least of `instructions.max_words` and what the tokens of a rollout hold, for labels and for training."""
    tokens = {"policy.max_tokens": recipe.policy.max_tokens, "rollouts.max_tokens": recipe.rollouts.max_tokens}
    field = min(tokens, key=tokens.__getitem__)
    held, chosen = words_in(tokens[field]), recipe.instructions.max_words
    return Budget(held, field, tokens[field]) if held < chosen else Budget(chosen, "instructions.max_words", None)


def answerable(recipe: PipelineConfig) -> InstructionsConfig:
    """The section with `max_words` that the tokens of an answer hold: what instructions are drawn by."""
    return recipe.instructions.model_copy(update={"max_words": answer_budget(recipe).words})


def words_demanded(text: str) -> int:
    """The most words that a seed demands of its answer in plain English ("at least 300 words", "a 500-word essay"); 0: none.

    >>> words_demanded("Write a 1,200-word essay on tides, in no more than 3 paragraphs.")
    1200
    """
    return max((int(found.replace(",", "")) for demand in _DEMANDS for found in demand.findall(text)), default=0)


def seeds_beyond(seeds: Iterable[SeedText], budget: Budget) -> Iterator[tuple[SeedText, int]]:
    """Seeds that demand longer answers by themselves, and how many words."""
    return ((seed, words) for seed in seeds if (words := words_demanded(seed.text)) > budget.words)
