"""The catalog writer: types and arguments sampled for each seed, by a random source of its own."""

import random
from collections.abc import Sequence

from ifrl_core.config import InstructionsConfig
from ifrl_core.constraints.model import Constraint
from ifrl_core.constraints.sampling import sample_constraints
from ifrl_core.constraints.writers.record import SeedRequest, Written


def write(requests: Sequence[SeedRequest], config: InstructionsConfig, *, seed: int) -> list[Written]:
    """`min_constraints` to `max_constraints` for each seed; what a seed gets does not depend on the others.

    Raises:
        ConstraintError: when config.types names a type that does not exist.
    """
    return [Written(seed_id, tuple(_constraints(seed_id, text, config, seed)), "catalog") for seed_id, text in requests]


def sample(text: str, count: int, rng: random.Random, config: InstructionsConfig) -> list[Constraint]:
    """Up to `count` constraints for a seed from the types that the config allows."""
    types = config.types or None
    return sample_constraints(text, count, rng, types=types, hard_share=config.hard_share, max_words=config.max_words)


def _constraints(seed_id: str, text: str, config: InstructionsConfig, seed: int) -> list[Constraint]:
    rng = random.Random(f"{seed}:{seed_id}")
    return sample(text, rng.randint(config.min_constraints, config.max_constraints), rng, config)
