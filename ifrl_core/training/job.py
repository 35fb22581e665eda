"""The folder of a training job: what a stage and its training processes hand each other.

job.json         what to do, in the words of the process; its tables lie beside it
accelerate.yaml  how the processes are spread (accelerate_config.py)
launch.json      how they are started (launch.py), written last: other machines wait for it
metrics.jsonl    written by the process: a row of metrics a step; after a resume a step can come twice, the last counts
child.log        its output
checkpoints/     of the trainer
stop             a file that asks the process to save its work and end
provenance.json  written by the process: device, number formats, arguments
failure.json     the error that ended the process, when it was one of ours
final/           what was made; there only when it is whole
"""

import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel

from ifrl_core import errors
from ifrl_core.records import Row
from ifrl_core.training.checkpoints import last_checkpoint

JOB, ACCELERATE, LAUNCH = "job.json", "accelerate.yaml", "launch.json"
METRICS, LOG, CHECKPOINTS, STOP = "metrics.jsonl", "child.log", "checkpoints", "stop"
FAILURE, FINAL, PROVENANCE = "failure.json", "final", "provenance.json"


class TrainingJob(BaseModel):
    """What a process is to do, as any training says it."""

    model: Path
    seed: int
    folder: Path

    def write(self) -> Path:
        path = self.folder / JOB
        path.write_text(self.model_dump_json(indent=2) + "\n")
        return path

    @classmethod
    def read(cls, path: Path) -> Self:
        return cls.model_validate_json(path.read_text())


def append_row(folder: Path, row: Mapping[str, Any]) -> None:
    """Called in the process: one row of metrics, as one line and one write."""
    with (folder / METRICS).open("a") as sink:
        sink.write(json.dumps(row) + "\n")


def metrics_by_step(folder: Path) -> list[Row]:
    """A row a step, in their order. A step that was made again after a kill counts as made last."""
    rows: list[Row] = [json.loads(line) for line in (folder / METRICS).read_text().splitlines()]
    return [row for _, row in sorted({row["step"]: row for row in rows}.items())]


def write_failure(folder: Path, error: errors.IfrlError) -> None:
    """Called in the process: its error, for the stage to raise, with the checkpoint that the same command goes on from."""
    checkpoint, message = last_checkpoint(folder / CHECKPOINTS), str(error)
    if checkpoint is not None and str(checkpoint) not in message:
        message = f"{message}. The last whole checkpoint is {checkpoint}"
    (folder / FAILURE).write_text(json.dumps({"error": type(error).__name__, "message": message}))


def read_failure(folder: Path) -> errors.IfrlError | None:
    """The error that the process wrote down before it ended, as its type."""
    if not (folder / FAILURE).exists():
        return None
    document = json.loads((folder / FAILURE).read_text())
    kind: type[errors.IfrlError] = getattr(errors, document["error"], errors.TrainingError)
    return kind(document["message"])


def write_provenance(folder: Path, provenance: Mapping[str, Any]) -> None:
    """Called in the process: what it computes with. Of a training that went on after a kill, the last process counts."""
    (folder / PROVENANCE).write_text(json.dumps(provenance, indent=2) + "\n")


def read_provenance(folder: Path) -> dict[str, Any]:
    """What the process wrote down; nothing when it did not."""
    if not (folder / PROVENANCE).exists():
        return {}
    told: dict[str, Any] = json.loads((folder / PROVENANCE).read_text())
    return told


@contextmanager
def renamed_when_whole(target: Path) -> Iterator[Path]:
    """A temporary folder to write into, which takes the name `target` at the end; what a kill left of it goes first."""
    partial = target.with_name(f".{target.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    yield partial
    partial.rename(target)
