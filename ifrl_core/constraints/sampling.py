"""The catalog writer's pure part: types, arguments and wordings drawn from a random source."""

import random
from collections.abc import Mapping, Sequence

from ifrl_core.constraints.catalog import CATALOG
from ifrl_core.constraints.compose import draft_of
from ifrl_core.constraints.conflicts import conflict, satisfiable
from ifrl_core.constraints.model import Constraint
from ifrl_core.constraints.types import ConstraintType
from ifrl_core.errors import ConstraintError

_TRIES_PER_CONSTRAINT = 40


def chosen_types(types: Sequence[str] | None) -> list[ConstraintType]:
    """Catalog types by id, or by family prefix such as `tone:`; all of them when None.

    Raises:
        ConstraintError: for an id or prefix that matches nothing.
    """
    if types is None:
        return list(CATALOG.values())
    chosen: dict[str, ConstraintType] = {}
    for name in types:
        matching = [t for t in CATALOG.values() if t.id == name or (name.endswith(":") and t.id.startswith(name))]
        if not matching:
            raise ConstraintError(f"no constraint type or family is called {name!r}; `ifrl constraints` lists them")
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
    weights: Mapping[str, float] | None = None,
) -> list[Constraint]:
    """Up to `count` constraints for a seed that can be met together by an answer of at most `max_words` words.

    Each is hard with probability `hard_share` (as far as `types` holds both kinds), of a type drawn uniformly or by
    `weights` (type id -> relative weight; 1 when absent). No two conflict or say nearly the same, and the hard ones have a
    witness: a text that satisfies them all. Fewer than `count`
    come back only when the chosen types cannot give more. The result depends on the arguments and `rng` alone.

    Raises:
        ConstraintError: when `types` names a type that does not exist.
    """
    usable = [t for t in chosen_types(types) if t.min_words <= max_words and t.fits(seed_text)]
    pools = {kind: [t for t in usable if t.kind == kind] for kind in ("hard", "soft")}
    constraints: list[Constraint] = []
    for _ in range(count * _TRIES_PER_CONSTRAINT):
        if len(constraints) == count:
            break
        pool = pools["hard" if rng.random() < hard_share else "soft"] or pools["hard"] or pools["soft"]
        if not pool:
            break
        (type_,) = rng.choices(pool, [(weights or {}).get(t.id, 1.0) for t in pool])
        args = type_.sample(rng, max_words=max_words, seed_text=seed_text)
        candidate = type_.constraint(args, rng.randrange(len(type_.wordings)))
        if any(conflict(candidate, other) for other in constraints):
            continue
        if candidate.kind == "soft" or _possible([*constraints, candidate], max_words):
            constraints.append(candidate)
    return constraints


def corridor_weights(
    pass_rates: Mapping[str, float], *, low: float = 0.1, high: float = 0.9, outside: float = 0.05
) -> dict[str, float]:
    """Weights for `sample_constraints` from measured pass rates (type id -> share of answers that satisfy it).

    A type whose rate lies inside the corridor keeps weight 1; one that nearly always or nearly never passes gives a
    group no spread of rewards, hence no gradient, and gets `outside` (not 0: its rate may change as the model learns).
    Types without a measured rate keep weight 1.

    Raises:
        ValueError: for a rate outside [0, 1] or an empty corridor.
    """
    if not 0 <= low < high <= 1:
        raise ValueError(f"the corridor {low}..{high} is empty; expected 0 <= low < high <= 1")
    wrong = {type_: rate for type_, rate in pass_rates.items() if not 0 <= rate <= 1}
    if wrong:
        raise ValueError(f"pass rates lie between 0 and 1, unlike {wrong}")
    return {type_: 1.0 if low <= rate <= high else outside for type_, rate in pass_rates.items()}


def _possible(constraints: Sequence[Constraint], max_words: int) -> bool:
    """Whether the set fits the length budget and has a witness."""
    draft = draft_of(constraints)
    if draft is None:
        return True
    return draft.least_words() <= max_words and draft.contradiction() is None and satisfiable(constraints)
