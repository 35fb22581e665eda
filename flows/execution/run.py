"""One run of a flow: its store, its MLflow runs, the stages it went through, and the record it leaves.

The record (`runs/<run>.json` under the storage root) is what `ifrl report` reads.
"""

import json
import logging
import os
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from prefect.runtime import flow_run
from pydantic import BaseModel

from flows.execution.placed import run_placed
from ifrl_core.artifacts import ArtifactRef, ArtifactStore, files
from ifrl_core.artifacts.cost import CostMeter
from ifrl_core.config import PipelineConfig
from ifrl_core.errors import IfrlError, PlacementError
from ifrl_core.settings import mlflow_artifact_folder, tracking_uri
from ifrl_core.stages.stage import Stage
from ifrl_core.tracking.journal import journal_of, unsent
from ifrl_core.tracking.sync import sync_run
from ifrl_core.tracking.tracker import TrackedRun, Tracker
from ifrl_core.training.child import sigterm_asks_children_to_stop
from tasks.stages import StageTask, open_store

log = logging.getLogger("ifrl_core.run")

Refs = dict[str, ArtifactRef]


@dataclass
class Run:
    """What flows carry along. `stages` maps a stage's label to {"seconds", "cached", ...} in order of execution."""

    name: str
    flow: str
    config: PipelineConfig
    store: ArtifactStore
    tracker: Tracker
    meter: CostMeter
    stages: dict[str, dict[str, Any]] = field(default_factory=dict)
    refs: Refs = field(default_factory=dict)

    def stage(
        self,
        stage: Stage,
        task: StageTask,
        config: BaseModel,
        inputs: Refs,
        *,
        label: str | None = None,
        seeded: bool = True,
        prepare: Callable[[str, TrackedRun], None] | None = None,
    ) -> ArtifactRef:
        """Run one stage through its cached task, with an MLflow child run of its own.

        `label` tells apart two uses of one stage (evaluation before and after); `prepare` runs only when there is
        something to compute (it maps the shards of a stage that has them).
        """
        label, seed = label or stage.name, self.config.seed if seeded else 0
        fingerprint = stage.fingerprint(config, inputs, seed=seed)
        cached = self.store.find(stage.name, fingerprint) is not None
        log.info("%s: %s", label, "from cache" if cached else "running")
        start = time.monotonic()
        tags = {"fingerprint": fingerprint, "cached": str(cached).lower()}
        with self.tracker.child(label, tags) as child:
            deployment = None if cached else self.config.execution.deployment_of(stage.name)
            if deployment is not None:
                ref = self._elsewhere(deployment, stage, config, inputs, seed, fingerprint, child.run)
            else:
                if prepare is not None and not cached:
                    prepare(fingerprint, child.run)
                # A cached reference whose manifest is gone must not be believed.
                ready = task.with_options(refresh_cache=not cached, task_run_name=label)
                ref = ready(config, inputs, seed=seed, fingerprint=fingerprint, run=child.run)
            child.stage(ref, inputs)
        seconds = round(time.monotonic() - start, 2)
        cost = self.store.manifest(ref).cost
        self.stages[label] = {"seconds": seconds, "cached": cached, "compute_seconds": cost.seconds}
        self.stages[label] |= {"peak_rss_mb": cost.peak_rss_mb, "fingerprint": fingerprint}
        self.refs[label] = ref
        log.info("%s: %s in %.1f s", label, "from cache" if cached else "done", seconds)
        return ref

    def take(self, label: str, ref: ArtifactRef) -> ArtifactRef:
        """An artifact of an earlier run in the place of a stage."""
        log.info("%s: %s/%s of an earlier run", label, ref.stage, ref.fingerprint[:12])
        cost = self.store.manifest(ref).cost
        self.stages[label] = {"seconds": 0.0, "cached": True, "compute_seconds": cost.seconds}
        self.stages[label] |= {"peak_rss_mb": cost.peak_rss_mb, "fingerprint": ref.fingerprint}
        self.refs[label] = ref
        return ref

    def _elsewhere(
        self,
        deployment: str,
        stage: Stage,
        config: BaseModel,
        inputs: Refs,
        seed: int,
        fingerprint: str,
        child: TrackedRun,
    ) -> ArtifactRef:
        """A stage that another work pool runs, on the same storage root."""
        execution = self.config.execution
        log.info("%s: as deployment %s", stage.name, deployment)
        run_placed(
            deployment, stage.name, config, inputs, seed=seed, fingerprint=fingerprint, execution=execution, run=child
        )
        ref = self.store.find(stage.name, fingerprint)
        if ref is None:
            raise PlacementError(
                f"stage {stage.name} completed as {deployment}, and {self.store.root} does not hold its artifact: name "
                "the same storage root (IFRL_ROOT) on both work pools"
            )
        return ref

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
            "config": self.config.model_dump(mode="json"),
            "mlflow": {
                "uri": self.tracker.run.uri,
                "run_id": self.tracker.run.run_id,
                "url": self.tracker.url,
            },
            "prefect": {
                "flow_run_id": str(flow_run.id),
                "url": flow_run.ui_url if os.environ.get("PREFECT_API_URL") else None,
            },
        }


@contextmanager
def open_run(flow_name: str, config: PipelineConfig, *, need_bytes: int) -> Iterator[Run]:
    """Start the parent MLflow run, check the storage root, and leave the run's record whatever happens."""
    store = open_store()
    store.check_writable(need_bytes=need_bytes)
    name = f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{config.name}-{uuid.uuid4().hex[:4]}"
    journal = journal_of(store, name)
    tags = {"flow": flow_name, "prefect.flow_run_id": str(flow_run.id), "prefect.url": str(flow_run.ui_url)}
    tracker = Tracker.start(tracking_uri(), mlflow_artifact_folder(), name, tags, store, journal=journal)
    tracker.params(config.model_dump(mode="json"))
    if (flow_run.run_count or 1) > 1:
        tracker.end_earlier_attempts("prefect.flow_run_id", str(flow_run.id))
    run = Run(name, flow_name, config, store, tracker, CostMeter())
    state = "failed"
    try:
        with tracker, sigterm_asks_children_to_stop():
            yield run
            state = "completed"
    finally:
        _write_record(run, state)
        run.meter.stop()
        _settle(run)


def _settle(run: Run) -> None:
    """Send what MLflow did not take during the run, if it answers by now."""
    if not unsent(run.store, run.name):
        return
    try:
        sync_run(run.store, run.name, run.tracker.run.uri)
    except IfrlError as error:  # it stays owed, and whatever came of the run stands
        log.warning("%s", error)


def _write_record(run: Run, state: str) -> None:
    path = f"{run.store.folder('runs', run.name)}.json"
    files.write_bytes(run.store.fs, path, (json.dumps(run.record(state), indent=2) + "\n").encode())
