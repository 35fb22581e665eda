"""The plan of a text: into how many blocks (lines or paragraphs) and sentences it falls."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

from ifrl_core.constraints.witness.draft import Draft


@dataclass(frozen=True)
class Plan:
    """How a text of `sentences` sentences is divided into `blocks`; `openers`: index of a block -> its first words.

    `fixed` says that the number of sentences must not grow, so that filler goes onto the sentences there are.
    """

    blocks: int
    openers: Mapping[int, str]
    sentences: int
    fixed: bool


def plan_of(draft: Draft, more: int) -> Plan:
    """A plan with `more` sentences than the draft's least number (negative: fewer, for items that are sentences)."""
    lines = draft.line_openers
    blocks = draft.paragraphs if lines is None else len(lines)
    if draft.paragraph_sentences is not None:
        sentences = sum(block_sizes(draft, blocks, 0))
    else:
        sentences = max(1, blocks - bool(draft.end), _least_sentences(draft) + more)
    return Plan(
        blocks=blocks,
        openers=draft.paragraph_openers if lines is None else dict(enumerate(lines)),
        sentences=sentences,
        fixed=lines is not None
        or draft.paragraph_sentences is not None
        or draft.max_sentences is not None
        or draft.distinct_starts,
    )


def block_sizes(draft: Draft, blocks: int, sentences: int) -> list[int]:
    """How many of the sentences each block gets; those given in `start`, `end` and `raw` count in their place."""
    if draft.paragraph_sentences is None:
        if sentences < blocks:
            return [1] * sentences + [0] * (blocks - sentences)
        bounds = [i * sentences // blocks for i in range(blocks + 1)]
        return [high - low for low, high in pairwise(bounds)]
    sizes = [draft.paragraph_sentences] * blocks
    sizes[0] -= len(draft.raw) + bool(draft.start)
    sizes[-1] -= bool(draft.end)
    return [max(0, size) for size in sizes]


def _least_sentences(draft: Draft) -> int:
    """Sentences of the running text alone: as many as there are marks to place, two where the first or last is taken."""
    marks = sum(draft.marks_to_add(mark) for mark in "!?")
    last_is_demanded = draft.raw or (draft.items and not draft.items[-1].marked)
    two = draft.loud_first_line or (draft.final_mark and last_is_demanded)
    return max(draft.min_sentences, marks, 2 if two else 1)
