"""The catalog writer's pure part: types, arguments and wordings drawn from a random source."""

import hashlib
import json
import random
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import Any, Protocol

from ifrl_core.constraints.catalog.registry import CATALOG
from ifrl_core.constraints.conflicts import conflict
from ifrl_core.constraints.extension import load_extensions
from ifrl_core.constraints.satisfy import unmet
from ifrl_core.constraints.turn_types import TurnType, askable, example
from ifrl_core.constraints.types import ConstraintType
from ifrl_core.errors import ConstraintError
from ifrl_core.records import Constraint, Conversation

_TRIES_PER_CONSTRAINT = 40
_DRAWS, _LONG, _SEED = 3, 300, "Describe the life of a lighthouse keeper."  # of the digest

_CHOICE = 4  # arguments that a taste chooses among

Weights = Sequence[Mapping[str, float]]  # of the first constraint's types, the second's, ...


class Taste(Protocol):
    """What is rather drawn than the rest, as relative weights."""

    def of_type(self, type_id: str, beside: Sequence[Constraint]) -> float:
        """Of a type as one more constraint `beside` these."""

    def of_args(self, type_id: str, args: Mapping[str, Any]) -> float:
        """Of arguments among others of their type."""


def chosen_types(types: Sequence[str] | None) -> list[ConstraintType]:
    """Catalog types, those of installed packages included, by id or by family prefix such as `tone:`.

    None: all but the types of conversations, which are drawn where they are named.

    Raises:
        ConstraintError: for an id or prefix that matches nothing.
    """
    load_extensions()
    if types is None:
        return [type_ for type_ in CATALOG.values() if not isinstance(type_, TurnType)]
    chosen: dict[str, ConstraintType] = {}
    for name in types:
        matching = [t for t in CATALOG.values() if t.id == name or (name.endswith(":") and t.id.startswith(name))]
        if not matching:
            known = [*CATALOG, *{f"{type_id.split(':')[0]}:" for type_id in CATALOG}]
            near = ", ".join(map(repr, get_close_matches(name, known, n=3)))
            hint = f"; nearest: {near}" if near else ""
            raise ConstraintError(
                f"no constraint type or family is called {name!r}{hint}; `ifrl constraints` lists them"
            )
        chosen.update((t.id, t) for t in matching)
    return list(chosen.values())


def sample_constraints(
    seed_text: str,
    count: int,
    rng: random.Random,
    *,
    types: Sequence[str] | None = None,
    hard_share: float = 0.5,
    max_words: int = 100,
    weights: Weights = (),
    taste: Taste | None = None,
    conversation: Conversation | None = None,
    first: Sequence[Constraint] = (),
) -> list[Constraint]:
    """Up to `count` constraints for a seed that can be met together by an answer of at most `max_words` words.

    Each is hard with probability `hard_share` (as far as `types` holds both kinds), of a type drawn uniformly or by
    `weights[k]` for the k-th constraint (type id -> relative weight, 1 when absent; the last for all further). No two
    conflict or say nearly the same, and the hard ones have a witness: a text of at most `max_words` words that satisfies them
    all. Fewer than `count` come back only when the chosen types cannot give more. The result depends on the arguments and
    `rng` alone. With a `taste` its weights multiply those of the types, and arguments are the chosen of a few.
    `conversation` is the seed's, for types of conversations; without it the seed is all that was said. `first` are kept, and
    count.

    Raises:
        ConstraintError: when `types` names a type that does not exist.
    """
    asked = conversation or Conversation(({"role": "user", "content": seed_text},))
    fitting = (t for t in chosen_types(types) if t.min_words <= max_words and t.fits(seed_text))
    usable = [found for t in fitting if (found := askable(t, asked))]
    pools = {kind: [t for t in usable if t.kind == kind] for kind in ("hard", "soft")}
    constraints = list(first)
    for _ in range(count * _TRIES_PER_CONSTRAINT):
        if len(constraints) >= count:
            break
        by_type = weights[min(len(constraints), len(weights) - 1)] if weights else {}
        if taste is not None:
            by_type = {t.id: by_type.get(t.id, 1.0) * taste.of_type(t.id, constraints) for t in usable}
        type_ = _drawn_type(pools, hard_share, by_type, rng)
        if type_ is None:
            break
        drawn = [type_.sample(rng, max_words=max_words, seed_text=seed_text) for _ in range(_CHOICE if taste else 1)]
        args = rng.choices(drawn, [taste.of_args(type_.id, args) for args in drawn])[0] if taste else drawn[0]
        candidate = type_.constraint(args, rng.randrange(len(type_.wordings)))
        if any(conflict(candidate, other, asked) for other in constraints):
            continue
        if candidate.kind == "soft" or unmet([*constraints, candidate], max_words, asked) is None:
            constraints.append(candidate)
    return constraints


def _drawn_type(
    pools: Mapping[str, list[ConstraintType]], hard_share: float, weights: Mapping[str, float], rng: random.Random
) -> ConstraintType | None:
    """A type of the kind that `rng` says, or of the other where there is none; None when no type has a weight."""
    pool = pools["hard" if rng.random() < hard_share else "soft"] or pools["hard"] or pools["soft"]
    relative = [weights.get(type_.id, 1.0) for type_ in pool]
    return rng.choices(pool, relative)[0] if any(relative) else None


def catalog_digest(types: Sequence[str] | None = None) -> str:
    """sha256 over what the types say and draw: wordings, arguments, and what fixed random sources make of them.

    Raises:
        ConstraintError: when `types` names a type that does not exist.
    """
    described = []
    for type_ in chosen_types(types):
        schema = {name: argument.allowed for name, argument in type_.arguments.items()}
        args = [example(type_).sample(random.Random(n), max_words=_LONG, seed_text=_SEED) for n in range(_DRAWS)]
        described.append((type_.id, type_.kind, type_.wordings, sorted(type_.slots), type_.min_words, schema, args))
    return hashlib.sha256(json.dumps(described, sort_keys=True).encode()).hexdigest()


def type_weights(weights: Mapping[str, float]) -> dict[str, float]:
    """Weights by type id or family prefix, by type id alone; what is said of a type goes before what is of its family.

    Raises:
        ConstraintError: for a name that matches nothing.
    """
    families = sorted(weights, key=lambda name: not name.endswith(":"))
    return {type_.id: weights[name] for name in families for type_ in chosen_types([name])}
