"""A call of a stage: everything that says which artifact comes of it, as runs, shards and other work pools pass it on."""

from dataclasses import dataclass
from functools import cached_property

from pydantic import BaseModel

from ifrl_core.artifacts import ArtifactRef, ArtifactStore
from ifrl_core.stages.stage import Stage
from ifrl_core.text.reasoning import THINK, Reasoning
from ifrl_core.tracking.tracker import TrackedRun


@dataclass(frozen=True)
class Call:
    """A stage with its config, inputs, seed and the reasoning format of the answers it reads, and the MLflow run that it logs
    to."""

    stage: Stage
    config: BaseModel
    inputs: dict[str, ArtifactRef]
    seed: int
    run: TrackedRun | None = None
    reasoning: Reasoning = THINK

    @cached_property
    def fingerprint(self) -> str:
        return self.stage.fingerprint(self.config, self.inputs, seed=self.seed, reasoning=self.reasoning)

    def find(self, store: ArtifactStore) -> ArtifactRef | None:
        """Its artifact, when the store has it."""
        return store.find(self.stage.name, self.fingerprint)
