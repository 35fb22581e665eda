"""From a constraint in a model's words to a catalog type with checked arguments, or to none.

By wording: the catalog's wordings become anchored patterns of our own making; what they capture proposes arguments; and a
proposal counts only when the type, given those arguments, renders to the very text (up to case, spacing, numbers in words
and a short list of synonyms). So a match cannot misread a text: its verifier checks what the text says.

By name: when the model says a hard type and arguments that pass the type's schema, the constraint is worded by the catalog,
because nothing shows that the model's own words ask for what the verifier will check.
"""

import itertools
import re
import string
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from ifrl_core.constraints.catalog.registry import CATALOG
from ifrl_core.constraints.types import ConstraintType
from ifrl_core.constraints.verdict import validated
from ifrl_core.constraints.verifiers.arguments import Argument, Choice, Integer, Texts
from ifrl_core.constraints.vocabulary import NUMBER_NAMES, ORDINALS
from ifrl_core.errors import ConstraintError
from ifrl_core.instructions.writers.record import FREE
from ifrl_core.instructions.writers.reply import Proposal
from ifrl_core.records import Constraint

_MOST_CHARACTERS = 400
_MOST_PROPOSALS = 400
_MARKER = re.compile(r"^\s*(?:[-*•]|\(?\d+[.)]|[cC]\d+\s*[:.)])\s+")
_QUOTED = re.compile(r'"([^"]*)"')
_LITERAL = re.compile(r'("[^"]*"|<[^>]*>)')  # what a constraint means word for word
_FULL_STOP = re.compile(r"(?<!\.\w)\.\Z")  # not that of P.S.
_STRAIGHT = str.maketrans({"“": '"', "”": '"', "„": '"', "’": "'", "‘": "'", "\u00a0": " "})

# Said alike: each pattern becomes its replacement, in wordings and in texts, outside quotes and tags.
_SYNONYMS: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(rf"\b(?:{pattern})\b", re.IGNORECASE), replacement)
    for pattern, replacement in (
        *((name, str(number)) for number, name in enumerate(NUMBER_NAMES)),
        *((name, f"number {number}") for number, name in enumerate(ORDINALS, 1)),
        (r"(\d+)(?:st|nd|rd|th)", r"number \1"),
        ("once", "1 times"),
        ("twice", "2 times"),
        ("a minimum of|no fewer than|no less than|not fewer than|not less than", "at least"),
        ("a maximum of|no more than|not more than", "at most"),
        ("fewer than|under", "less than"),
        ("should|shall|has to|have to|needs to|need to", "must"),
        ("response|reply|output", "answer"),
        ("the answer", "your answer"),
        ("do not|don't|never", "do not"),
        ("ensure that|ensure|be sure that|be sure to|make sure to|make sure that|make sure", "make sure"),
        ("contains|include|includes", "contain"),
        ("capital letters|capitals|uppercase letters|uppercase|caps", "capitals"),
        ("lowercase letters|lower case letters|lower case", "lowercase"),
        ("punctuation marks", "marks"),
        ("usage", "use"),
        ("avoid using|avoid the use of|refrain from using|refrain from the use of", "do not use"),
    )
)


@dataclass(frozen=True)
class _Pattern:
    """One wording of a type: `probe` is a piece that every matching text holds, in lower case."""

    type: ConstraintType
    wording: int
    regex: re.Pattern[str]
    probe: str


def constraint_of(proposal: Proposal, seed_text: str) -> Constraint | None:
    """The constraint that a proposal for a seed stands for: matched by wording, then by name, else soft in the model's words.

    None when nothing readable is left of it.
    """
    text = _tidy(proposal.text)
    if text and (found := match_wording(text, seed_text)):
        return found
    if named := _named(proposal):
        return named
    return Constraint(FREE, "soft", text) if text else None


def match_wording(text: str, seed_text: str = "") -> Constraint | None:
    """The catalog constraint that `text` words, as the catalog words it; None when it is nobody's wording.

    `seed_text` is the request that a constraint may speak of ("repeat the request above").

    >>> match_wording("The response should contain at least three sentences").args
    {'num_sentences': 3, 'relation': 'at least'}
    """
    if len(text) > _MOST_CHARACTERS:
        return None
    said = _canonical(text)
    lower = said.lower()
    for pattern in _patterns(tuple(CATALOG)):
        if pattern.probe in lower and (found := pattern.regex.match(said)):
            for args in _proposed(pattern.type.arguments, found.groups(), seed_text):
                constraint = _made(pattern.type, args, pattern.wording)
                if constraint and _canonical(constraint.text).lower() == lower:
                    return constraint
    return None


def _named(proposal: Proposal) -> Constraint | None:
    type_ = CATALOG.get(proposal.type)
    if type_ is None or type_.kind != "hard":
        return None
    args = {name: _coerced(type_.arguments.get(name), value) for name, value in proposal.args.items()}
    return _made(type_, args, _nearest_wording(type_, proposal.text))


def _made(type_: ConstraintType, args: Mapping[str, Any], wording: int) -> Constraint | None:
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


def _coerced(argument: Argument | None, value: Any) -> Any:
    """Numbers given as text, whole numbers given as floats, and a single text given for a list of them."""
    if isinstance(argument, Integer) and isinstance(value, str) and re.fullmatch(r"[0-9]{1,9}", value.strip()):
        return int(value)
    if isinstance(argument, Integer) and isinstance(value, float) and value.is_integer():
        return int(value)
    return [value] if isinstance(argument, Texts) and isinstance(value, str) else value


def _nearest_wording(type_: ConstraintType, text: str) -> int:
    """The wording that shares most words with the model's own, to keep the variety of what models write."""
    said = set(text.lower().split())
    shared = [len(said & set(wording.lower().split())) for wording in type_.wordings]
    return shared.index(max(shared))


def _tidy(text: str) -> str:
    """One line without list markers and the quotation marks around it; empty when no sentence can be meant."""
    line = _MARKER.sub("", " ".join(text.split())).translate(_STRAIGHT)
    if len(line) > 1 and line[0] == line[-1] == '"' and line.count('"') == 2:
        line = line[1:-1].strip()
    return line


def _canonical(text: str) -> str:
    """`text` with straight quotes, single spaces, synonyms made one and no final full stop."""
    pieces = _LITERAL.split(_FULL_STOP.sub("", " ".join(text.split()).translate(_STRAIGHT)))
    return "".join(piece if place % 2 else _said_alike(piece) for place, piece in enumerate(pieces)).strip()


def _said_alike(text: str) -> str:
    for pattern, replacement in _SYNONYMS:
        text = pattern.sub(replacement, text)
    return text


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
    pieces = _canonical(marked).split("\0")
    regex = "(.{1,300}?)".join(re.escape(piece) for piece in pieces)
    return _Pattern(type_, wording, re.compile(rf"\A{regex}\Z", re.IGNORECASE), max(pieces, key=len).lower())


def _proposed(schema: Mapping[str, Argument], captured: Sequence[str], seed_text: str) -> Iterator[dict[str, Any]]:
    """Arguments that the captured pieces may stand for, at most a few hundred."""
    options = [
        list(dict.fromkeys(map(_frozen, _options(argument, captured, seed_text)))) for argument in schema.values()
    ]
    for chosen in itertools.islice(itertools.product(*options), _MOST_PROPOSALS):
        yield {name: list(v) if isinstance(v, tuple) else v for name, v in zip(schema, chosen, strict=True)}


def _frozen(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _options(argument: Argument, captured: Sequence[str], seed_text: str) -> list[Any]:
    """Values of one argument that the captured pieces may stand for."""
    if isinstance(argument, Choice):
        return list(argument.values)
    if isinstance(argument, Integer):
        return [int(digits) for piece in captured for digits in re.findall(r"[0-9]{1,9}", piece.replace(",", ""))]
    if isinstance(argument, Texts):
        lists = [items for piece in captured if (items := _listed(piece))]
        return [*lists, *([item.rstrip(":") for item in items] for items in lists)]
    quoted = [item for piece in captured for item in _QUOTED.findall(piece)]
    return [*quoted, *(piece.strip('"') for piece in captured), seed_text]


def _listed(piece: str) -> list[str]:
    """The items of an English list, quoted or not."""
    if quoted := _QUOTED.findall(piece):
        return quoted
    return [item.strip() for item in re.split(r",\s*(?:and\s+|or\s+)?|\s+and\s+|\s+or\s+", piece) if item.strip()]
