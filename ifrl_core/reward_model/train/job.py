"""What the stage hands to its training process and gets back, beside what any training has (training/job.py).

pairs.parquet         in: every label that is trained or scored on (PAIRS)
final/scores.parquet  out: a row a label (SCORES)
final/model/          out: weights, tokenizer, scoring settings
final/curve.json      out: [{"step", "loss"}], with "held_out_loss" at the steps of an evaluation
"""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from ifrl_core.config import RewardModelConfig, shares_fault
from ifrl_core.errors import ConfigError
from ifrl_core.records import Row
from ifrl_core.reward_model.train.noise import RATES
from ifrl_core.training.job import TrainingJob
from ifrl_core.training.launch import Launch, check_here
from ifrl_core.training.shape import Shape

PAIRS_FILE, SCORES_FILE, MODEL, CURVE = "pairs.parquet", "scores.parquet", "model", "curve.json"
PAIRS = pa.schema(
    [
        ("label_id", pa.string()),
        ("response", pa.string()),
        ("constraint", pa.string()),
        ("label", pa.int32()),
        ("split", pa.string()),
        ("instruction", pa.string()),
        ("compared", pa.bool_()),  # whether the untrained backbone is asked as well
        *((name, pa.float64()) for name in RATES),  # of the label noise; null where they are not used
    ]
)
SCORES = pa.schema(
    [
        ("label_id", pa.string()),
        ("probability", pa.float64()),  # of the trained model, on validation pairs; null where it could not be scored
        ("zero_shot", pa.float64()),  # of the untrained backbone, on compared pairs
    ]
)


class Job(TrainingJob):
    """What the process is to do."""

    config: RewardModelConfig


def reward_model_launch(config: RewardModelConfig) -> Launch:
    return Launch(
        module="ifrl_core.reward_model.train.process",
        what="reward model training",
        key="reward_model.launch",
        config=config.launch,
        bf16=config.bf16,
    )


def check_launch(config: RewardModelConfig) -> Shape:
    """What the config comes to on this machine.

    Raises:
        ConfigError: when that is impossible here, with the fix.
    """
    shape = check_here(reward_model_launch(config))
    if fault := shares_fault(config.batch_size, config.micro_batch, shape.processes):
        raise ConfigError(f"reward_model: {fault}")
    return shape


def read_pairs(folder: Path) -> list[Row]:
    rows: list[Row] = pq.read_table(folder / PAIRS_FILE, use_threads=False).to_pylist()
    return rows


def read_scores(final: Path) -> dict[str, Row]:
    """Rows of SCORES by label id."""
    return {row["label_id"]: row for row in pq.read_table(final / SCORES_FILE, use_threads=False).to_pylist()}


def texts(pairs: list[Row]) -> list[tuple[str, str]]:
    """(response, constraint text) of pairs, as a Scorer is asked."""
    return [(pair["response"], pair["constraint"]) for pair in pairs]
