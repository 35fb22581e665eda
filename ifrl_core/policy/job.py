"""What the stage hands to its training process, as files of one folder.

job.json         a Job, written last
prompts.parquet  all prompts that training may ask (POOL): instructions, and general problems, which have a check
accelerate.yaml  how the processes are spread (launch.py)
metrics.jsonl    written by the process: a row of metrics a step; after a resume a step can come twice, the last counts
checkpoints/     trl's checkpoints; checkpoints/completions/ its tables of answers
final/           the trained model, bf16; there only when it is whole
failure.json     the error that ended the process, when it was one of ours
"""

from pathlib import Path

import pyarrow as pa
from pydantic import BaseModel

from ifrl_core.config import PolicyConfig
from ifrl_core.records import CONSTRAINT, MESSAGE

JOB, PROMPTS, CHECKPOINTS, FINAL, FAILURE = "job.json", "prompts.parquet", "checkpoints", "final", "failure.json"
ACCELERATE = "accelerate.yaml"
COMPLETIONS = "completions"  # trl's name for its folder of tables
POOL = pa.schema(
    [
        ("prompt", pa.list_(MESSAGE)),
        ("prompt_id", pa.string()),
        ("level", pa.int32()),  # 0 for a problem
        ("seed", pa.string()),  # the instruction without constraints
        ("constraints", pa.list_(CONSTRAINT)),
        ("check", pa.string()),  # of a problem: math, choice or exact; null for an instruction
        ("answer", pa.string()),  # of a problem
        ("source", pa.string()),  # of a problem
    ]
)


class Job(BaseModel):
    """What the process is to do; `reward_model` is None when no prompt has a soft constraint; `weights` by type."""

    config: PolicyConfig
    model: Path
    reward_model: Path | None
    weights: dict[str, float] = {}
    seed: int
    folder: Path

    def write(self) -> Path:
        path = self.folder / JOB
        path.write_text(self.model_dump_json(indent=2) + "\n")
        return path

    @classmethod
    def read(cls, path: Path) -> "Job":
        return cls.model_validate_json(path.read_text())
