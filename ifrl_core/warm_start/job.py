"""What the stage hands to its training process, beside what any training has (training/job.py).

demonstrations.parquet  rows of choice.DEMONSTRATION, in the order in which they are trained on, an epoch behind the other
final/                  the trained model, bf16
"""

from collections.abc import Sequence

from ifrl_core.config import PolicyConfig, WarmStartConfig
from ifrl_core.policy.job import Job as PolicyJob
from ifrl_core.records import Row
from ifrl_core.statistics.by_hash import rank_by_hash
from ifrl_core.training.launch import Launch

DEMONSTRATIONS = "demonstrations.parquet"


class Job(PolicyJob):
    """What the process is to do; `config` says which weights are trained."""

    warm_start: WarmStartConfig


def warm_start_launch(config: PolicyConfig) -> Launch:
    return Launch(
        module="ifrl_core.warm_start.process",
        what="the warm start",
        key="policy.launch",
        config=config.launch,
        bf16=config.bf16,
    )


def laid_out(rows: Sequence[Row], config: WarmStartConfig, seed: int) -> list[Row]:
    """Rows in the order of training, all epochs, each drawn anew: so that a resume is exact."""
    return [
        rows[at]
        for epoch in range(config.epochs)
        for at in sorted(range(len(rows)), key=lambda at: rank_by_hash("warm-start", seed, epoch, at))
    ]
