"""A constraint type: what it asks, in which words, with which arguments, how it is sampled and what it excludes."""

import json
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ifrl_core.constraints.verifiers.arguments import Argument
from ifrl_core.constraints.verifiers.rule import Rule, checked_arguments
from ifrl_core.constraints.witness.draft import Draft
from ifrl_core.records import Constraint, Kind

Args = dict[str, Any]

# What a type claims that says how the whole text is divided into lines; anything that adds a line of its own excludes it.
LINE_SLOTS = ("lines", "list", "table", "sections", "paragraphs", "title", "code", "quote", "fields", "last_line")


@dataclass(frozen=True)
class Draw:
    """What sampling of arguments may look at: the random source, the seed instruction, and the length budget.

    `max_words` is the longest answer, in words, that the model is given room for; a type never asks for more.
    """

    rng: random.Random
    seed_text: str
    max_words: int

    def upto(self, low: int, high: int) -> int:
        """A whole number from `low` to `high`, uniformly; `low` when the range is empty."""
        return self.rng.randint(low, max(low, high))


def no_args(draw: Draw) -> Args:
    """Sampling for a type without arguments."""
    return {}


def plain(value: Any) -> str:
    """An argument as a prompt shows it: lists quoted and joined in English, everything else as it is.

    >>> plain(["sun", "moon", "sea"])
    '"sun", "moon" and "sea"'
    """
    if not isinstance(value, list):
        return str(value)
    quoted = [f'"{item}"' for item in value]
    return quoted[0] if len(quoted) == 1 else f"{', '.join(quoted[:-1])} and {quoted[-1]}"


def counted(number: int, singular: str, plural: str | None = None) -> str:
    """`3 words`, `1 word`."""
    return f"{number} {singular if number == 1 else plural or singular + 's'}"


def shown(args: Mapping[str, Any]) -> dict[str, str]:
    """The default fields of a wording: every argument under its own name."""
    return {name: plain(value) for name, value in args.items()}


@dataclass(frozen=True)
class ConstraintType:
    """One type of the catalog.

    `wordings` are format strings over the fields that `fields(args)` gives; each is a full sentence. `draw` samples
    arguments. Two constraints whose types share a `slot` (the beginning, the case, the number of words ...) exclude
    each other; `excludes` is the further pairwise rule by argument. `min_words` is the least length budget under which
    the type can be asked; `fits` says whether it makes sense for a seed. `witness` edits a draft so that it satisfies
    the constraint (hard types), and `rule` verifies it (hard types).
    """

    id: str
    kind: Kind
    description: str
    wordings: tuple[str, ...]
    arguments: Mapping[str, Argument] = field(default_factory=dict)
    draw: Callable[[Draw], Args] = no_args
    fields: Callable[[Mapping[str, Any]], dict[str, str]] = shown
    slots: frozenset[str] = frozenset()
    excludes: Callable[[Args, Constraint], bool] | None = None
    min_words: int = 1
    fits: Callable[[str], bool] = bool
    rule: Rule | None = None
    witness: Callable[[Draft, Args], None] | None = None

    def checked(self, args: Mapping[str, Any]) -> Args:
        """`args` in canonical form; raises ConstraintError naming type, argument and allowed values."""
        return checked_arguments(self.id, self.arguments, args)

    def sample(self, rng: random.Random, *, max_words: int = 100, seed_text: str = "") -> Args:
        """Arguments that an answer of at most `max_words` words can meet."""
        return self.checked(self.draw(Draw(rng, seed_text, max_words)))

    def render(self, args: Mapping[str, Any], wording: int = 0) -> str:
        """The constraint as a sentence, in the wording with that index."""
        return self.wordings[wording % len(self.wordings)].format(**self.fields(args))

    def constraint(self, args: Mapping[str, Any], wording: int = 0) -> Constraint:
        """A constraint of this type; raises ConstraintError for bad arguments."""
        canonical = self.checked(args)
        return Constraint(self.id, self.kind, self.render(canonical, wording), canonical)


def hard(
    id: str,
    description: str,
    rule: Rule,
    wordings: tuple[str, ...],
    *,
    arguments: Mapping[str, Argument] | None = None,
    slots: tuple[str, ...] = (),
    **rest: Any,
) -> ConstraintType:
    """A hard type: decided by `rule`, whose argument schema it takes unless a narrower one is given."""
    schema = rule.arguments if arguments is None else arguments
    return ConstraintType(
        id=id, kind="hard", description=description, wordings=wordings, rule=rule, arguments=schema,
        slots=frozenset(slots), **rest,
    )  # fmt: skip


def fingerprint_of_args(args: Mapping[str, Any]) -> str:
    """A stable text for arguments, to compare and to cache by."""
    return json.dumps(args, sort_keys=True, ensure_ascii=True)
