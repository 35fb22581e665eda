"""One run of a flow: the stages it goes through, each with an MLflow run of its own, and what it knows of them."""

import logging
import os
import time
from dataclasses import dataclass, field, replace
from typing import Any

from prefect.runtime import flow_run

from flows.execution.call import Call
from flows.execution.here import make_here
from flows.execution.placed import run_placed
from ifrl_core.artifacts import ArtifactRef, ArtifactStore
from ifrl_core.artifacts.cost import CostMeter
from ifrl_core.config import PipelineConfig
from ifrl_core.errors import PlacementError
from ifrl_core.labels.rounds import label_of
from ifrl_core.models.reasoning import reasoning_of
from ifrl_core.stages.registry import Plan
from ifrl_core.stages.stage import Stage, part_of
from ifrl_core.text.masking import masked_document, public
from ifrl_core.text.reasoning import THINK, Reasoning
from ifrl_core.tracking.tracker import Tracker

log = logging.getLogger("ifrl_core.run")

Refs = dict[str, ArtifactRef]


@dataclass
class Run:
    """What flows carry along. `stages` maps a stage's label to {"seconds", "cached", ...} in order of execution."""

    name: str
    flow: str
    config: PipelineConfig
    plan: Plan
    store: ArtifactStore
    tracker: Tracker
    meter: CostMeter
    stages: dict[str, dict[str, Any]] = field(default_factory=dict)
    refs: Refs = field(default_factory=dict)
    _formats: dict[str, Reasoning] = field(default_factory=dict)  # by the model's fingerprint

    def stage(self, stage: Stage, refs: Refs, *, number: int = 1, part: str = "") -> Refs:
        """Run one stage on those of `refs` that it takes, through its cached task: its artifact under its output's name.

        Nothing where the recipe leaves the stage out. `number`: the round, counted from 1; `part`: of a stage of several.
        """
        planned = part_of(stage.label, part)
        if stage.optional and planned not in self.plan:
            return {}
        inputs = stage.inputs_of(self.config, refs)
        call = Call(
            stage,
            self.plan[planned],
            inputs,
            self.config.seed if stage.seeded else 0,
            reasoning=self.reasoning(stage, inputs),
        )
        label, cached = label_of(planned, number), call.find(self.store) is not None
        log.info("%s: %s", label, "from cache" if cached else "running")
        start = time.monotonic()
        tags = {"fingerprint": call.fingerprint, "cached": str(cached).lower()}
        with self.tracker.child(label, tags) as child:
            ref = self._ref(replace(call, run=child.run), label, cached=cached)
            child.stage(ref, inputs)
        seconds = round(time.monotonic() - start, 2)
        self._keep(label, ref, seconds, cached=cached)
        log.info("%s: %s in %.1f s", label, "from cache" if cached else "done", seconds)
        return {part_of(stage.output, part): ref}

    def take(self, stage: Stage, ref: ArtifactRef) -> Refs:
        """An artifact of an earlier run in the place of a stage."""
        log.info("%s: %s/%s of an earlier run", stage.label, ref.stage, ref.fingerprint[:12])
        self._keep(stage.label, ref, 0.0, cached=True)
        return {stage.output: ref}

    def record(self, state: str) -> dict[str, Any]:
        """What `ifrl report` reads: refs and cost of every stage so far, and where to look."""
        cost = self.meter.read()
        return {
            "run": self.name,
            "flow": self.flow,
            "state": state,
            "seconds": cost.seconds,
            "peak_rss_mb": cost.peak_rss_mb,
            "stages": self.stages,
            "refs": {label: ref.model_dump() for label, ref in self.refs.items()},
            "config": masked_document(self.config.model_dump(mode="json")),
            "mlflow": {
                "uri": self.tracker.run.uri,
                "run_id": self.tracker.run.run_id,
                "url": self.tracker.url,
            },
            "prefect": {
                "flow_run_id": str(flow_run.id),
                "url": public(flow_run.ui_url) if os.environ.get("PREFECT_API_URL") and flow_run.ui_url else None,
            },
        }

    def reasoning(self, stage: Stage, inputs: Refs) -> Reasoning:
        """The format of the answers that a stage reads."""
        if not stage.reads_answers or "model" not in inputs:
            return THINK
        model = inputs["model"]
        if model.fingerprint not in self._formats:
            self._formats[model.fingerprint] = reasoning_of(self.config, model, self.store)
        return self._formats[model.fingerprint]

    def _ref(self, call: Call, label: str, *, cached: bool) -> ArtifactRef:
        """The artifact of a call: out of the store, from another work pool, or made here."""
        execution = self.config.execution
        deployment = None if cached else execution.deployment_of(call.stage)
        if deployment is not None:
            return self._elsewhere(deployment, call)
        return make_here(call, self.store, execution, label)

    def _elsewhere(self, deployment: str, call: Call) -> ArtifactRef:
        """A stage that another work pool runs, on the same storage root."""
        log.info("%s: as deployment %s", call.stage.name, deployment)
        run_placed(deployment, call, self.config.execution)
        ref = call.find(self.store)
        if ref is None:
            raise PlacementError(
                f"stage {call.stage.name} completed as {deployment}, and {self.store.root} does not hold its artifact: name "
                "the same storage root (IFRL_ROOT) on both work pools"
            )
        return ref

    def _keep(self, label: str, ref: ArtifactRef, seconds: float, *, cached: bool) -> None:
        cost = self.store.manifest(ref).cost
        self.stages[label] = {"seconds": seconds, "cached": cached, "compute_seconds": cost.seconds}
        self.stages[label] |= {"peak_rss_mb": cost.peak_rss_mb, "fingerprint": ref.fingerprint}
        self.refs[label] = ref
