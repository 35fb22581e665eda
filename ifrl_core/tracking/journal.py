"""What MLflow is owed: entries that it did not take, kept in the store beside the run's record until a sync sends them.

    <root>/runs/<run>.tracking/<time>-<random>.jsonl    some entries, one a line: {"run": id, "entry": {...}}
    <root>/runs/<run>.tracking/synced.json              files that were sent, and the id that MLflow gave to each owed run
    <root>/runs/<run>.tracking/refused-<random>.txt     lines that can never be sent, set aside by a sync

Whole small files, so that a folder and s3:// are alike and several processes may write at once. Live metrics are gathered
for a few seconds first; a kill costs at most those.
"""

import json
import threading
import time
import uuid
from collections import defaultdict
from collections.abc import Iterable
from pathlib import PurePosixPath

from pydantic import BaseModel, TypeAdapter, ValidationError

from ifrl_core.artifacts import ArtifactStore, files
from ifrl_core.errors import ArtifactError, InputError
from ifrl_core.tracking.entries import End, Line, Start, now_ms

SUFFIX = ".tracking"
SYNCED = "synced.json"
REFUSED = "refused-"
_GATHER_S = 5.0


class Synced(BaseModel):
    """What was sent already. `runs` maps the id of an owed run to MLflow's."""

    files: list[str] = []
    runs: dict[str, str] = {}


_LINE: TypeAdapter[Line] = TypeAdapter(Line)
_gathered: dict[str, list[Line]] = defaultdict(list)
_since: dict[str, float] = {}
_lock = threading.Lock()


def journal_of(store: ArtifactStore, run: str) -> str:
    """The URI of a run's journal."""
    return f"{store.root}/runs/{run}{SUFFIX}"


def keep(journal: str, lines: Iterable[Line]) -> None:
    """Write lines down at once."""
    fs, base = files.filesystem(journal)
    text = "".join(line.model_dump_json() + "\n" for line in lines)
    files.write_bytes(fs, f"{base}/{time.time_ns():020d}-{uuid.uuid4().hex[:8]}.jsonl", text.encode())


def gather(journal: str, line: Line) -> None:
    """Write a line down within a few seconds, together with others."""
    with _lock:
        _gathered[journal].append(line)
        due = time.monotonic() - _since.setdefault(journal, time.monotonic()) >= _GATHER_S
    if due:
        flush(journal)


def flush(journal: str) -> None:
    """Write down what was gathered by this process; what the store does not take stays gathered."""
    with _lock:
        lines = _gathered.pop(journal, [])
        _since.pop(journal, None)
    try:
        if lines:
            keep(journal, lines)
    except ArtifactError:
        with _lock:
            _gathered[journal][:0] = lines
            _since[journal] = time.monotonic()
        raise


def end_owed(store: ArtifactStore, run: str) -> int:
    """Keep the ends, as KILLED, of what a killed run began and MLflow is owed; returns how many."""
    lines = [line for path in unsent(store, run) for line in read_lines(store, path)[0]]
    ended = {line.run for line in lines if isinstance(line.entry, End)}
    open_ = [line.run for line in lines if isinstance(line.entry, Start) and line.run not in ended]
    if open_:
        keep(journal_of(store, run), [Line(run=each, entry=End(time=now_ms(), status="KILLED")) for each in open_])
    return len(open_)


def set_aside(journal: str, lines: Iterable[str]) -> None:
    """Keep lines that can never be sent, as they are, where no sync reads them."""
    fs, base = files.filesystem(journal)
    files.write_bytes(
        fs, f"{base}/{REFUSED}{uuid.uuid4().hex[:8]}.txt", "".join(f"{line}\n" for line in lines).encode()
    )


def owing_runs(store: ArtifactStore) -> list[str]:
    """Names of the runs with entries that were not sent, oldest first."""
    try:
        entries = [PurePosixPath(path).name for path in store.fs.ls(store.folder("runs", "").rstrip("/"), detail=False)]
    except FileNotFoundError:
        return []
    names = sorted(name.removesuffix(SUFFIX) for name in entries if name.endswith(SUFFIX))
    return [name for name in names if unsent(store, name)]


def known_run(store: ArtifactStore, run: str) -> str:
    """The name itself.

    Raises:
        InputError: when there is no run of that name.
    """
    if not store.fs.exists(f"{store.folder('runs', run)}.json") and not unsent(store, run):
        owing = ", ".join(owing_runs(store)) or "none"
        raise InputError(f"no run {run!r} in {store.root}; runs that owe MLflow something: {owing}")
    return run


def unsent(store: ArtifactStore, run: str) -> list[str]:
    """Paths of the journal's files that were not sent, oldest first."""
    fs, base = files.filesystem(journal_of(store, run))
    try:
        paths = fs.ls(base, detail=False)
    except FileNotFoundError:
        return []
    sent = set(read_synced(store, run).files)
    return sorted(path for path in paths if path.endswith(".jsonl") and PurePosixPath(path).name not in sent)


def read_lines(store: ArtifactStore, path: str) -> tuple[list[Line], list[str]]:
    """The lines of a file of the journal, and those that cannot be read."""
    lines, unread = [], []
    for line in files.read_bytes(store.fs, path).splitlines():
        try:
            lines.append(_LINE.validate_json(line))
        except ValidationError:
            unread.append(line.decode(errors="replace"))
    return lines, unread


def read_synced(store: ArtifactStore, run: str) -> Synced:
    _, base = files.filesystem(journal_of(store, run))
    try:
        return Synced.model_validate(json.loads(files.read_bytes(store.fs, f"{base}/{SYNCED}")))
    except FileNotFoundError:
        return Synced()


def write_synced(store: ArtifactStore, run: str, synced: Synced) -> None:
    _, base = files.filesystem(journal_of(store, run))
    files.write_bytes(store.fs, f"{base}/{SYNCED}", synced.model_dump_json(indent=2).encode())
