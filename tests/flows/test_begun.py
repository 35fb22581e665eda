"""Runs that were killed are ended by the next one, and a run that lives is not. What Prefect makes of it is in test_kill."""

import json
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from flows.execution.begun import SUFFIX, Begun, begun, end_killed_runs
from ifrl_core.artifacts import ArtifactStore
from ifrl_core.tracking import journal
from ifrl_core.tracking.entries import End, Line, Start, now_ms
from ifrl_core.tracking.tracker import TrackedRun

OWN = uuid4()


def a_run(name: str, flow_run: UUID = OWN) -> Begun:
    return Begun(run=name, tracked=TrackedRun(uri="x", run_id="owed-1"), flow_run_id=flow_run, attempt=1)


def left_by_a_kill(store: ArtifactStore, run: Begun) -> Path:
    path = Path(store.root) / "runs" / f"{run.run}{SUFFIX}"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(run.model_dump_json())
    return path


def start(run: str, parent: str | None) -> Line:
    return Line(run=run, entry=Start(time=now_ms(), name=run, tags={}, parent=parent, experiment_id=""))


def test_a_run_that_lives_is_left_alone_and_one_that_ended_leaves_nothing(store: ArtifactStore) -> None:
    with begun(store, a_run("lives")):
        assert end_killed_runs(store, own=OWN) == []
        assert (Path(store.root) / "runs" / f"lives{SUFFIX}").exists()
    with pytest.raises(ZeroDivisionError), begun(store, a_run("failed")):
        raise ZeroDivisionError
    assert end_killed_runs(store, own=OWN) == []
    assert not [path for path in Path(store.root).rglob("*") if path.is_file()]


def test_what_a_killed_run_owes_mlflow_ends_as_killed(store: ArtifactStore) -> None:
    path = left_by_a_kill(store, a_run("dead"))
    of_run = journal.journal_of(store, "dead")
    ended = Line(run="owed-2", entry=End(time=now_ms(), status="FINISHED"))
    journal.keep(of_run, [start("owed-1", None), start("owed-2", "owed-1"), ended, start("owed-3", "owed-1")])
    assert end_killed_runs(store, own=OWN) == ["dead"]
    assert not path.exists()
    lines = [line for file in journal.unsent(store, "dead") for line in journal.read_lines(store, file)[0]]
    ends = {line.run: line.entry.status for line in lines if isinstance(line.entry, End)}
    assert ends == {"owed-1": "KILLED", "owed-2": "FINISHED", "owed-3": "KILLED"}


def test_one_that_cannot_be_ended_now_is_left_to_the_next_run(
    store: ArtifactStore, caplog: pytest.LogCaptureFixture
) -> None:
    torn = Path(store.root) / "runs" / f"torn{SUFFIX}"
    left_by_a_kill(store, a_run("dead"))
    torn.write_text(json.dumps({"run": "torn"}))
    assert end_killed_runs(store, own=OWN) == ["dead"]
    assert torn.exists()
    assert "run torn was killed, and stays open" in caplog.text
