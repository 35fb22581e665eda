"""Leftovers of killed runs: listed by a look at the whole store, removed one place at a time, each under its lock.

kind                  where it lies                                         what of it goes
unfinished artifact   <stage>/<fingerprint>/ without a manifest             everything
unnamed files         <stage>/<fingerprint>/ with a manifest                what the manifest does not name
shard records         <stage>/<fingerprint>/ with a manifest                <shard>.json of shards that it names
lock                  .locks/<name>.lock                                    the file
temporary file        .tmp-… or .probe-… elsewhere, and of cut downloads    the file, or the folder
scratch folder        <stage>-<fingerprint>/ in this machine's scratch      everything

what stays                               because
what is younger than asked               a run may be at it that holds no lock yet
what a held lock covers                  its holder is at it: the lock of an artifact, or of one of its files, covers the
                                         artifact's folder, its scratch folder and itself
what has changed since it was listed     a run has been at it in the meantime
files beside a manifest nobody can read  what it names cannot be known
files of any other shape                 the store did not make them
"""

import re
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import fsspec

from ifrl_core.artifacts import files, locks
from ifrl_core.artifacts.files import PROBE, TEMPORARY, StoredFile
from ifrl_core.artifacts.layout import ARTIFACT_FILE, work_name
from ifrl_core.artifacts.lease import HeldError
from ifrl_core.artifacts.manifest import MANIFEST
from ifrl_core.artifacts.store import ArtifactStore
from ifrl_core.errors import ArtifactError
from ifrl_core.settings import cache_folder

Kind = Literal["unfinished artifact", "unnamed files", "shard records", "scratch folder", "temporary file", "lock"]
Area = Literal["store", "scratch", "downloads"]
_TEMPORARY_FILE = rf"(.+/)?({re.escape(TEMPORARY)}|{re.escape(PROBE)})[^/]*"

# The first pattern that a path below the area's folder has says its kind (None: its manifest does). Group `name` is the file
# within the place that goes, which without it is the file itself; group `work` is the name of the lock that covers it.
_SHAPES: Mapping[Area, tuple[tuple[Kind | None, re.Pattern[str]], ...]] = {
    "store": (
        (None, ARTIFACT_FILE),
        ("lock", re.compile(rf"{re.escape(locks.FOLDER)}/(?P<work>[^/]+){re.escape(locks.SUFFIX)}")),
        ("temporary file", re.compile(rf"(?!\.scratch/){_TEMPORARY_FILE}")),
    ),
    "scratch": (("scratch folder", re.compile(r"(?P<work>[^/]+-[0-9a-f]{32})/(?P<name>.+)")),),
    "downloads": (
        ("temporary file", re.compile(rf"{re.escape(TEMPORARY)}[^/]*/(?P<name>.+)")),
        ("temporary file", re.compile(_TEMPORARY_FILE)),
    ),
}


@dataclass(frozen=True)
class Leftover:
    """Files below `path` that nothing needs, `names` relative to it ("" is `path` itself).

    `local`: on this machine's disk whatever the store is; `work`: the name of the lock that covers them, None where no run
    can be using them; `size` in bytes; `modified`: when the newest was written, seconds since 1970.
    """

    kind: Kind
    path: str
    names: tuple[str, ...]
    local: bool
    work: str | None
    size: int
    modified: float


def leftovers(store: ArtifactStore, *, older_than_s: float) -> list[Leftover]:
    """Everything that could be removed now, by path."""
    before = time.time() - older_than_s
    held_locks = _held_locks(store)
    removable = (item for item in _all(store) if item.modified <= before and not _covers(held_locks, item.work))
    return sorted(removable, key=lambda item: item.path)


def remove(store: ArtifactStore, leftover: Leftover) -> bool:
    """Remove one leftover; False when it is none any more: a run holds it, has added to it or has committed it."""
    fs = _filesystem(store, leftover)
    if leftover.work is None:
        _remove_files(fs, leftover)
        return True
    own = f"{store.lock_folder}/{leftover.work}{locks.SUFFIX}"
    try:
        with locks.locked(store.fs, own, leftover.path, wait=False):
            if leftover not in _now(store, leftover) or _covers(_held_locks(store) - {leftover.work}, leftover.work):
                return False
            _remove_files(fs, leftover)
            # Safe while it is held: whoever waits for a lock whose file is gone starts over with a new one.
            files.remove(store.fs, own)
    except HeldError:
        return False
    return True


def _all(store: ArtifactStore) -> Iterator[Leftover]:
    for area, folder in _areas(store):
        fs = store.fs if area == "store" else files.filesystem(folder)[0]
        places: dict[tuple[Kind | None, str, str | None], list[StoredFile]] = defaultdict(list)
        for file in files.listing(fs, folder):
            for kind, shape in _SHAPES[area]:
                if match := shape.fullmatch(file.path):
                    groups = match.groupdict()
                    name = groups.get("name", "")
                    place = file.path.removesuffix(f"/{name}") if name else file.path
                    places[kind, f"{folder}/{place}", groups.get("work")].append(replace(file, path=name))
                    break
        for (kind, path, work), stored in places.items():
            if kind is None:
                yield from _of_artifact(store, path, stored)
            else:
                yield _leftover(kind, path, stored, local=area != "store", work=work)


def _areas(store: ArtifactStore) -> Iterator[tuple[Area, str]]:
    yield "store", store.base
    yield "scratch", str(store.scratch_folder)
    if not store.is_local:
        yield "downloads", str(cache_folder() / "artifacts")
        yield "downloads", str(cache_folder() / "models")


def _of_artifact(store: ArtifactStore, path: str, stored: Iterable[StoredFile]) -> Iterator[Leftover]:
    """What of an artifact's folder nothing needs, as its manifest says."""
    stage, fingerprint = Path(path).parts[-2:]
    work = work_name(stage, fingerprint)
    try:
        shards = {shard.name for shard in store.read_manifest(stage, fingerprint).shards}
    except FileNotFoundError:
        yield _leftover("unfinished artifact", path, stored, work=work)
        return
    except ArtifactError:
        return
    unnamed = [file for file in stored if file.path not in shards | {MANIFEST}]
    of_shards = [file for file in unnamed if file.path.endswith(".json") and file.path.removesuffix(".json") in shards]
    others = [file for file in unnamed if file not in of_shards]
    if of_shards:
        yield _leftover("shard records", path, of_shards, work=work)
    if others:
        yield _leftover("unnamed files", path, others, work=work)


def _now(store: ArtifactStore, leftover: Leftover) -> Iterator[Leftover]:
    """The leftovers at the place of `leftover`, as they are at this moment."""
    stored = files.listing(_filesystem(store, leftover), leftover.path)
    if leftover.kind == "lock":
        yield leftover
    elif leftover.kind == "scratch folder" and stored:
        yield _leftover("scratch folder", leftover.path, stored, local=True, work=leftover.work)
    elif stored:
        yield from _of_artifact(store, leftover.path, stored)


def _leftover(
    kind: Kind, path: str, stored: Iterable[StoredFile], *, work: str | None, local: bool = False
) -> Leftover:
    by_name = sorted(stored, key=lambda file: file.path)
    size, newest = sum(file.size for file in by_name), max(file.modified for file in by_name)
    return Leftover(kind, path, tuple(file.path for file in by_name), local, work, size, newest)


def _held_locks(store: ArtifactStore) -> set[str]:
    """The names of the locks that are held now."""
    names = (file.path for file in files.listing(store.fs, store.lock_folder) if file.path.endswith(locks.SUFFIX))
    return {name.removesuffix(locks.SUFFIX) for name in names if locks.is_held(store.fs, f"{store.lock_folder}/{name}")}


def _covers(held_locks: set[str], work: str | None) -> bool:
    """Whether one of the locks is that of `work` or of a part of it."""
    return work is not None and any(name == work or name.startswith(f"{work}-") for name in held_locks)


def _remove_files(fs: fsspec.AbstractFileSystem, leftover: Leftover) -> None:
    for name in leftover.names:
        files.remove(fs, f"{leftover.path}/{name}" if name else leftover.path)
    folder = Path(leftover.path)
    if files.is_local(fs) and folder.is_dir():
        for inner in sorted((path for path in folder.rglob("*") if path.is_dir()), reverse=True):
            _remove_if_empty(inner)
        _remove_if_empty(folder)


def _remove_if_empty(folder: Path) -> None:
    if not any(folder.iterdir()):
        folder.rmdir()


def _filesystem(store: ArtifactStore, leftover: Leftover) -> fsspec.AbstractFileSystem:
    return files.filesystem(leftover.path)[0] if leftover.local else store.fs
