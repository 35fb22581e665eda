"""The records that runs leave (`runs/<run>.json` under the storage root): refs and cost of the stages that each went through.

Runs write them when they end, whatever happens; reports and label sheets read them.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any
from uuid import UUID

from ifrl_core.artifacts import ArtifactStore, files
from ifrl_core.errors import ArtifactError, InputError

RUNS_SHOWN = 20
SCORES_A_FILE = "score"  # the flow whose runs have no page: none of them is the latest that somebody asks about


def write_record(store: ArtifactStore, record: Mapping[str, Any]) -> None:
    """Keep the record of the run that it names, in the place of an earlier one."""
    files.write_bytes(store.fs, _path(store, record["run"]), (json.dumps(record, indent=2) + "\n").encode())


def load_record(store: ArtifactStore, run: str | None) -> dict[str, Any]:
    """The record of a run by its name or its Prefect flow run's id; None: the latest (names begin with the UTC
    time) that did more than score a file.

    Raises:
        InputError: naming the runs there are, when there is none of that name.
        ArtifactError: when the record is not readable.
    """
    names = sorted(_run_names(store))
    if not names:
        named = "" if run is None else f"no run {run!r}: "
        raise InputError(f"{named}{store.root} holds no runs: start one with `ifrl demo` or `ifrl run RECIPE`")
    if run is not None and _is_uuid(run):
        run = _of_flow_run(store, names, run)
    if run is not None and run not in names:
        shown = "\n".join(f"  {name}" for name in names[-RUNS_SHOWN:])
        raise InputError(f"no run {run!r} in {store.root}; the latest {min(len(names), RUNS_SHOWN)} are:\n{shown}")
    return _read_record(store, run) if run else _latest(store, names)


def _latest(store: ArtifactStore, names: Sequence[str]) -> dict[str, Any]:
    for name in reversed(names):
        record = _read_record(store, name)
        if record.get("flow") != SCORES_A_FILE:
            return record
    return _read_record(store, names[-1])


def _read_record(store: ArtifactStore, run: str) -> dict[str, Any]:
    path = _path(store, run)
    try:
        record: dict[str, Any] = json.loads(store.fs.cat_file(path))
    except ValueError as error:
        raise ArtifactError(f"{path} is not a run's record: {error}. Remove it to go on without that run") from error
    return record


def _of_flow_run(store: ArtifactStore, names: Sequence[str], flow_run: str) -> str:
    """The run of a Prefect flow run: the latest of its attempts. Without one, the id itself."""
    for name in reversed(names):
        if _read_record(store, name)["prefect"]["flow_run_id"] == flow_run:
            return name
    return flow_run


def _is_uuid(text: str) -> bool:
    try:
        return str(UUID(text)) == text
    except ValueError:
        return False


def _run_names(store: ArtifactStore) -> list[str]:
    folder = str(PurePosixPath(_path(store, "x")).parent)
    try:
        paths = store.fs.ls(folder, detail=False)
    except FileNotFoundError:
        return []
    return [PurePosixPath(path).stem for path in paths if path.endswith(".json")]


def _path(store: ArtifactStore, run: str) -> str:
    return f"{store.folder('runs', run)}.json"
