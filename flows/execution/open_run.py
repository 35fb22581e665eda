"""The beginning and the end of a run: its storage root, its MLflow run, and the record that it leaves whatever happens."""

import logging
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from uuid import UUID

from prefect.runtime import flow_run

from flows.execution.alive import outlives_outages
from flows.execution.begun import Begun, begun, end_killed_runs
from flows.execution.child_runs import check_deployments
from flows.execution.run import Run
from ifrl_core.artifacts.cost import CostMeter
from ifrl_core.config import PipelineConfig
from ifrl_core.settings import mlflow_artifact_folder, tracking_uri
from ifrl_core.stages.registry import Plan, stages
from ifrl_core.stages.runs import write_record
from ifrl_core.tracking.journal import journal_of, unsent
from ifrl_core.tracking.sync import sync_run
from ifrl_core.tracking.tracker import Tracker
from ifrl_core.training.child import sigterm_asks_children_to_stop
from tasks.stages import open_store

log = logging.getLogger("ifrl_core.run")


@contextmanager
def open_run(flow_name: str, config: PipelineConfig, plan: Plan, *, need_bytes: int) -> Iterator[Run]:
    """Start the parent MLflow run, check the storage root, and leave the run's record whatever happens."""
    store = open_store()
    store.check_writable(need_bytes=need_bytes)
    places = {config.execution.deployment_of(stage) for stage in stages() if stage.is_in(plan)}
    check_deployments(sorted(place for place in places if place))
    own, attempt = UUID(str(flow_run.id)), flow_run.run_count or 1
    end_killed_runs(store, own=own)
    name = f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{config.name}-{uuid.uuid4().hex[:4]}"
    journal = journal_of(store, name)
    tags = {"flow": flow_name, "prefect.flow_run_id": str(own), "prefect.url": str(flow_run.ui_url)}
    tracker = Tracker.start(tracking_uri(), mlflow_artifact_folder(), name, tags, store, journal=journal)
    tracker.params(config.model_dump(mode="json"))
    if attempt > 1:
        tracker.end_earlier_attempts("prefect.flow_run_id", str(own))
    run = Run(name, flow_name, config, plan, store, tracker, CostMeter())
    state = "failed"
    try:
        alive = begun(store, Begun(run=name, tracked=tracker.run, flow_run_id=own, attempt=attempt))
        with alive, tracker, outlives_outages(), sigterm_asks_children_to_stop():
            yield run
            state = "completed"
    finally:
        write_record(run.store, run.record(state))
        run.meter.stop()
        _settle(run)


def _settle(run: Run) -> None:
    """Send what MLflow did not take during the run, if it answers by now."""
    if not unsent(run.store, run.name):
        return
    try:
        sync_run(run.store, run.name, run.tracker.run.uri)
    except Exception as error:  # it stays owed, and whatever came of the run stands
        log.warning("%s", error)
