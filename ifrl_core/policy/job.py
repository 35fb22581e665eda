"""What the stage hands to its training process, beside what any training has (training/job.py).

prompts.parquet  all prompts that training may ask (POOL): instructions, and general problems, which have a check
checkpoints/completions/  trl's tables of answers
final/           the trained model, bf16
"""

from pathlib import Path

import pyarrow as pa
from pydantic import Field

from ifrl_core.config import PolicyConfig
from ifrl_core.instructions.places import Layout
from ifrl_core.records import CONSTRAINT, TURN
from ifrl_core.rewards.writing import WritingPlan
from ifrl_core.text.reasoning import THINK, Reasoning
from ifrl_core.training.job import TrainingJob

PROMPTS = "prompts.parquet"
POOL = pa.schema(
    [
        ("prompt", pa.list_(TURN)),
        ("prompt_id", pa.string()),
        ("level", pa.int32()),  # 0 for a problem
        ("seed", pa.string()),  # the instruction without constraints
        ("conversation", pa.string()),  # that ends with the seed, as records.packed; null where the seed is all
        ("constraints", pa.list_(CONSTRAINT)),
        ("check", pa.string()),  # of a problem: math, choice or exact; null for an instruction
        ("answer", pa.string()),  # of a problem
        ("source", pa.string()),  # of a problem
    ]
)


class Job(TrainingJob):
    """What the process is to do; `reward_model` is None when it scores nothing; `layout` is
    that of the prompts; `weights` by type;
    `writing` where constraints are what the model is to write."""

    config: PolicyConfig
    reward_model: Path | None
    layout: Layout = "sentences"
    weights: dict[str, float] = Field(default_factory=dict)
    reasoning: Reasoning = THINK
    writing: WritingPlan | None = None
