"""The incremental curriculum (paper, section 3.2): prompts of few constraints first, laid out as one dataset in order.

All stages become one list that trl walks once (num_train_epochs=1, its shuffle off). What step t asks is therefore a pure
function of (prompts, config, seed, t), and a resumed run sees the same prompts.
"""

import hashlib
import itertools
from collections.abc import Iterator, Sequence
from typing import Any

from ifrl_core.errors import InputError

Row = dict[str, Any]


def steps_of_stages(max_steps: int, stages: int) -> list[int]:
    """Steps per stage: even, earlier stages take what is left over. [3, 3, 2] for 8 steps and 3 stages."""
    whole, rest = divmod(max_steps, stages)
    return [whole + (stage < rest) for stage in range(stages)]


def lay_out(
    prompts: Sequence[Row], curriculum: Sequence[Sequence[int]], *, max_steps: int, prompts_per_step: int, seed: int
) -> list[Row]:
    """Rows of `prompts` (keys prompt_id, level, ...) with their `stage`, in training order; step t holds the rows
    [t * prompts_per_step, (t + 1) * prompts_per_step).

    A stage goes through the prompts of its levels in an order drawn by hash; when they run out, in another order.

    Raises:
        InputError: when a stage that has steps finds no prompt of its levels.
    """
    rows: list[Row] = []
    for stage, (levels, steps) in enumerate(zip(curriculum, steps_of_stages(max_steps, len(curriculum)), strict=True)):
        pool = [prompt for prompt in prompts if prompt["level"] in levels]
        if steps and not pool:
            found = sorted({prompt["level"] for prompt in prompts})
            raise InputError(
                f"policy.curriculum stage {stage + 1} asks for prompts of levels {list(levels)}; the train prompts "
                f"(after leaving out long ones) have levels {found}"
            )
        chosen = itertools.islice(_passes(pool, seed, stage), steps * prompts_per_step)
        rows += [{**prompt, "stage": stage} for prompt in chosen]
    return rows


def _passes(pool: Sequence[Row], seed: int, stage: int) -> Iterator[Row]:
    for number in itertools.count():

        def key(prompt: Row, number: int = number) -> bytes:
            return hashlib.sha256(f"curriculum\0{seed}\0{stage}\0{number}\0{prompt['prompt_id']}".encode()).digest()

        yield from sorted(pool, key=key)
