"""What MLflow is told, one fact an entry: sent at once, or kept as a line of the run's journal until it can be sent."""

import time
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from ifrl_core.artifacts import ArtifactRef


def now_ms() -> int:
    return int(time.time() * 1000)


class _Entry(BaseModel):
    """`time`: when it happened, in milliseconds since 1970, as MLflow counts."""

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="constants")

    time: int


class Start(_Entry):
    """A run began. `parent`: id of the run above it, which may be owed too; `experiment_id` empty: not known."""

    kind: Literal["start"] = "start"
    name: str
    tags: dict[str, str]
    parent: str | None
    experiment_id: str


class Params(_Entry):
    kind: Literal["params"] = "params"
    params: dict[str, str]


class Points(_Entry):
    """Metrics of one step."""

    kind: Literal["points"] = "points"
    metrics: dict[str, float]
    step: int


class Samples(_Entry):
    """Rows of one step to look at, for the run's table of them."""

    kind: Literal["samples"] = "samples"
    rows: list[dict[str, Any]]


class StageDone(_Entry):
    """A committed artifact: what is logged of it comes from its manifest."""

    kind: Literal["stage"] = "stage"
    ref: ArtifactRef
    inputs: dict[str, ArtifactRef]


class StoredFile(_Entry):
    """A file of an artifact that belongs beside the run."""

    kind: Literal["file"] = "file"
    ref: ArtifactRef
    name: str


class Registered(_Entry):
    """The model of an artifact as a version of `name`, with an alias."""

    kind: Literal["register"] = "register"
    ref: ArtifactRef
    name: str
    alias: str
    metrics: dict[str, float]
    tags: dict[str, str]


class End(_Entry):
    kind: Literal["end"] = "end"
    status: str


Entry = Annotated[
    Start | Params | Points | Samples | StageDone | StoredFile | Registered | End,
    Field(discriminator="kind"),
]


class Line(BaseModel):
    """An entry and the run that it belongs to. `tries`: how often MLflow, which answered otherwise, failed at it."""

    model_config = ConfigDict(frozen=True, ser_json_inf_nan="constants")

    run: str
    entry: Entry
    tries: int = 0
