"""The catalog writer: types and arguments sampled for each seed, by a random source of its own."""

import random
from collections.abc import Sequence

from ifrl_core.config import InstructionsConfig
from ifrl_core.constraints.sampling import Weights, sample_constraints, type_weights
from ifrl_core.instructions.writers.record import SeedRequest, Written
from ifrl_core.records import Constraint


def write(
    requests: Sequence[SeedRequest], config: InstructionsConfig, *, seed: int, weights: Weights = ()
) -> list[Written]:
    """`min_constraints` to `max_constraints` for each seed; what a seed gets does not depend on the others.

    Raises:
        ConstraintError: when config.types or config.weights names a type that does not exist.
    """
    written = []
    for seed_id, text in requests:
        rng = random.Random(f"{seed}:{seed_id}")
        count = rng.randint(config.min_constraints, config.max_constraints)
        written.append(Written(seed_id, tuple(sample(text, count, rng, config, weights)), "catalog"))
    return written


def sample(
    text: str, count: int, rng: random.Random, config: InstructionsConfig, weights: Weights = ()
) -> list[Constraint]:
    """Up to `count` constraints for a seed from the types that the config allows, by measured weights or the config's."""
    return sample_constraints(
        text,
        count,
        rng,
        types=config.types or None,
        hard_share=config.hard_share,
        max_words=config.max_words,
        weights=weights or [type_weights(config.weights)],
    )
