"""The catalog writer: types and arguments sampled for each seed, by a random source of its own."""

import random
from collections.abc import Sequence

from ifrl_core.config import InstructionsConfig
from ifrl_core.constraints.sampling import Taste, Weights, sample_constraints, type_weights
from ifrl_core.instructions.writers.record import Outcome, RejectedSeed, SeedRequest, Written
from ifrl_core.records import Constraint

_NONE = "none of instructions.types can be asked of it: its conversation has nothing that they are about"


def write(
    requests: Sequence[SeedRequest], config: InstructionsConfig, *, seed: int, weights: Weights = ()
) -> list[Outcome]:
    """`min_constraints` to `max_constraints` for each seed; what a seed gets does not depend on the others.

    A seed is rejected when none of the types can be asked of it: types of conversations need what theirs may lack.

    Raises:
        ConstraintError: when config.types or config.weights names a type that does not exist.
    """
    outcomes: list[Outcome] = []
    for request in requests:
        rng = random.Random(f"{seed}:{request.seed_id}")
        count = rng.randint(config.min_constraints, config.max_constraints)
        constraints = sample(request, count, rng, config, weights)
        written = Written(request.seed_id, tuple(constraints), "catalog")
        outcomes.append(written if constraints else RejectedSeed(request.seed_id, _NONE, "", 1))
    return outcomes


def sample(
    request: SeedRequest,
    count: int,
    rng: random.Random,
    config: InstructionsConfig,
    weights: Weights = (),
    taste: Taste | None = None,
    first: Sequence[Constraint] = (),
) -> list[Constraint]:
    """Up to `count` constraints for a seed: `first`, then of types that the config allows, by measured weights or its own."""
    return sample_constraints(
        request.text,
        count,
        rng,
        types=config.types or None,
        hard_share=config.hard_share,
        max_words=config.max_words,
        weights=weights or [type_weights(config.weights)],
        taste=taste,
        conversation=request.conversation,
        first=first,
    )
