"""From a constraint in a model's words to a catalog type with checked arguments, or to none.

    a model says                                             it becomes
    "- Do not use any commas in your response"               punctuation:no_comma, {}
    "The response should contain at least three sentences"   length_constraints:number_sentences,
                                                             {"num_sentences": 3, "relation": "at least"}
    "Keep it brief!", and names the type                     that type, worded by the catalog:
    length_constraints:number_words, {"num_words": "40", …}  "Keep to this length: fewer than 40 words."
    "Use no commas, except in the last line."                soft, in these words: no rule checks that

By wording: the catalog's wordings become anchored patterns of our own making; what they capture proposes arguments; and a
proposal counts only when the type, given those arguments, renders to the very text (`canonical` on both sides). So a match
cannot misread a text: its verifier checks what the text says. Step by step:

    wording      "Answer in exactly {count}."           pattern      answer in exactly (.+)
    text         "Reply in exactly two sentences"       canonical    answer in exactly 2 sentences
    captured     "2 sentences"                          candidate    {"num_sentences": 2}
    rendered     "Answer in exactly 2 sentences."       the same as the text: it is length:exact_sentences

By name: when the model says a hard type and arguments that pass the type's schema, the constraint is worded by the catalog,
because nothing shows that the model's own words ask for what the verifier will check.

Types of conversations are left to the catalog writer: what they are about has to be in the conversation.
"""

import re
import string
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

from ifrl_core.constraints.catalog.registry import CATALOG
from ifrl_core.constraints.turn_types import TurnType
from ifrl_core.constraints.types import ConstraintType
from ifrl_core.constraints.verdict import validated
from ifrl_core.errors import ConstraintError
from ifrl_core.instructions.writers.candidates import candidates, coerced
from ifrl_core.instructions.writers.canonical import canonical, tidy
from ifrl_core.instructions.writers.record import FREE
from ifrl_core.instructions.writers.reply import Proposal
from ifrl_core.records import Constraint

_MOST_CHARACTERS = 400


@dataclass(frozen=True)
class _Pattern:
    """One wording of a type, cut at its fields; `probe` is a piece that every matching text holds, in lower case."""

    type: ConstraintType
    wording: int
    pieces: tuple[str, ...]
    probe: str

    @cached_property
    def regex(self) -> re.Pattern[str]:
        """Compiled when a text holds the probe: most wordings are never asked for."""
        between = "(.{1,300}?)".join(map(re.escape, self.pieces))
        return re.compile(rf"\A{between}\Z", re.IGNORECASE)


def constraint_of(proposal: Proposal, seed_text: str) -> Constraint | None:
    """The constraint that a proposal for a seed stands for: matched by wording, then by name, else soft in the model's words.

    None when nothing readable is left of it.
    """
    text = tidy(proposal.text)
    if text and (constraint := match_wording(text, seed_text)):
        return constraint
    return _match_name(proposal) or (Constraint(FREE, "soft", text) if text else None)


def match_wording(text: str, seed_text: str = "") -> Constraint | None:
    """The catalog constraint that `text` words, as the catalog words it; None when it is nobody's wording.

    `seed_text` is the request that a constraint may speak of ("repeat the request above").

    >>> match_wording("Reply in exactly two sentences")
    Constraint(type='length:exact_sentences', kind='hard', text='Answer in exactly 2 sentences.', args={'num_sentences': 2})
    """
    if len(text) > _MOST_CHARACTERS:
        return None
    plain = canonical(text)
    lower = plain.lower()
    for pattern in _patterns(tuple(id for id, type_ in CATALOG.items() if not isinstance(type_, TurnType))):
        if pattern.probe in lower and (match := pattern.regex.match(plain)):
            for args in candidates(pattern.type.arguments, match.groups(), seed_text):
                constraint = _checked(pattern.type, args, pattern.wording)
                if constraint and canonical(constraint.text).lower() == lower:
                    return constraint
    return None


def _match_name(proposal: Proposal) -> Constraint | None:
    type_ = CATALOG.get(proposal.type)
    if type_ is None or type_.kind != "hard" or isinstance(type_, TurnType):
        return None
    args = {name: coerced(type_.arguments.get(name), value) for name, value in proposal.args.items()}
    return _checked(type_, args, _nearest_wording(type_, proposal.text))


def _checked(type_: ConstraintType, args: Mapping[str, Any], wording: int) -> Constraint | None:
    """The constraint, when its arguments pass the type's schema and, for a hard type, its rule's."""
    # A fraction is never a count; looking for one in a range walks through all of it.
    if any(isinstance(value, float) and not value.is_integer() for value in args.values()):
        return None
    try:
        constraint = type_.constraint(args, wording)
        if type_.kind == "hard":
            validated(type_.id, constraint.args)
    except ConstraintError:
        return None
    return constraint


def _nearest_wording(type_: ConstraintType, text: str) -> int:
    """The wording that shares most words with the model's own, to keep the variety of what models write."""
    own = set(text.lower().split())
    shared = [len(own & set(wording.lower().split())) for wording in type_.wordings]
    return shared.index(max(shared))


@lru_cache(maxsize=1)
def _patterns(ids: tuple[str, ...]) -> tuple[_Pattern, ...]:
    """One pattern for each wording of the types; made anew when a package has added a type."""
    return tuple(_pattern(CATALOG[id], wording) for id in ids for wording in range(len(CATALOG[id].wordings)))


def _pattern(type_: ConstraintType, wording: int) -> _Pattern:
    # A mark stands for each field, so that synonyms and quotes are seen in the wording as a whole.
    marked = "".join(
        literal + ("\0" if name is not None else "")
        for literal, name, _, _ in string.Formatter().parse(type_.wordings[wording])
    )
    pieces = tuple(canonical(marked).split("\0"))
    return _Pattern(type_, wording, pieces, max(pieces, key=len).lower())
