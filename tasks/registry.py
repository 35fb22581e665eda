"""The registry task: the reward model and the policy become versions with an alias in MLflow."""

from prefect import task

from ifrl_core.artifacts import ArtifactRef
from ifrl_core.tracking.tracker import TrackedRun, Tracker
from tasks.stages import open_store


@task(name="register", task_run_name="register-{name}", retries=2, retry_delay_seconds=[2, 10], persist_result=False)
def register_model(
    ref: ArtifactRef, *, name: str, alias: str, run: TrackedRun, metrics: dict[str, float], tags: dict[str, str]
) -> dict[str, str]:
    """Register the model of an artifact; the same fingerprint is never registered twice. `version` is "pending" when MLflow
    does not answer: `ifrl track sync` registers it then."""
    version = Tracker(run, open_store()).register(ref, name=name, alias=alias, metrics=metrics, tags=tags)
    return {"name": name, "version": version, "alias": alias, "uri": f"models:/{name}@{alias}"}
