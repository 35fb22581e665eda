"""Leftovers of killed runs: found by a look at the whole store, removed one folder at a time, each under its lock.

Never a file that a manifest names, never what a live lock covers, never anything younger than asked, and nothing that the
store did not make: files of other shapes, and folders whose manifest cannot be read, are left alone.
"""

import re
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import fsspec

from ifrl_core.artifacts import files, locks
from ifrl_core.artifacts.files import PROBE, TEMPORARY, StoredFile
from ifrl_core.artifacts.layout import work_name
from ifrl_core.artifacts.lease import HeldError
from ifrl_core.artifacts.listing import folders
from ifrl_core.artifacts.manifest import MANIFEST
from ifrl_core.artifacts.store import ArtifactStore
from ifrl_core.errors import ArtifactError
from ifrl_core.settings import cache_folder

Kind = Literal[
    "unfinished artifact",  # a folder without a manifest
    "unnamed files",  # beside a manifest that does not name them
    "shard records",  # of shards that the manifest names: it says the same
    "scratch folder",
    "temporary file",
    "lock",
]
_SCRATCH = re.compile(r".+-[0-9a-f]{32}")


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
    held = _held_locks(store)
    found = [item for item in _all(store) if item.modified <= before and not _covers(held, item.work)]
    return sorted(found, key=lambda item: item.path)


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
    scratch = store.scratch_folder
    listed = files.listing(store.fs, store.base)
    for (stage, fingerprint), held in folders(listed).items():
        yield from _of_artifact(store, stage, fingerprint, held)
    in_artifacts = {f"{stage}/{fingerprint}/" for stage, fingerprint in folders(listed)}
    for file in listed:
        path, parts = f"{store.base}/{file.path}", Path(file.path).parts
        if parts[0] == locks.FOLDER and path.endswith(locks.SUFFIX):
            yield _leftover("lock", path, [_itself(file)], local=False, work=Path(path).name.removesuffix(locks.SUFFIX))
        elif (
            _is_temporary(file) and not path.startswith(f"{scratch}/") and "/".join(parts[:2]) + "/" not in in_artifacts
        ):
            yield _leftover("temporary file", path, [_itself(file)], local=False)
    yield from _on_this_machine(store, scratch)


def _on_this_machine(store: ArtifactStore, scratch: Path) -> Iterator[Leftover]:
    """Scratch folders, and with an object store the downloads that were cut off."""
    disk, _ = files.filesystem(str(scratch))
    by_name: dict[str, list[StoredFile]] = defaultdict(list)
    for file in files.listing(disk, str(scratch)):
        name, _, rest = file.path.partition("/")
        if rest and _SCRATCH.fullmatch(name):
            by_name[name].append(StoredFile(rest, file.size, file.modified))
    for name, held in by_name.items():
        yield _leftover("scratch folder", f"{scratch}/{name}", held, local=True, work=name)
    if not files.is_local(store.fs):
        for downloads in (cache_folder() / "artifacts", cache_folder() / "models"):
            for file in files.listing(disk, str(downloads)):
                if _is_temporary(file):
                    yield _leftover("temporary file", f"{downloads}/{file.path}", [_itself(file)], local=True)


def _of_artifact(store: ArtifactStore, stage: str, fingerprint: str, held: dict[str, StoredFile]) -> Iterator[Leftover]:
    """What of a folder nothing needs: all of it without a manifest, else what the manifest does not name."""
    path, work = store.folder(stage, fingerprint), work_name(stage, fingerprint)
    try:
        named = {MANIFEST} | {shard.name for shard in store.read_manifest(stage, fingerprint).shards}
    except FileNotFoundError:
        yield _leftover("unfinished artifact", path, held.values(), local=False, work=work)
        return
    except ArtifactError:
        return  # what it names cannot be known
    unnamed = [file for name, file in held.items() if name not in named]
    records = [file for file in unnamed if file.path.endswith(".json") and file.path.removesuffix(".json") in named]
    if records:
        yield _leftover("shard records", path, records, local=False, work=work)
    if others := [file for file in unnamed if file not in records]:
        yield _leftover("unnamed files", path, others, local=False, work=work)


def _now(store: ArtifactStore, leftover: Leftover) -> Iterator[Leftover]:
    """The leftovers at the place of `leftover`, as they are at this moment."""
    held = files.listing(_filesystem(store, leftover), leftover.path)
    if leftover.kind == "lock":
        yield leftover
    elif leftover.kind == "scratch folder" and held:
        yield _leftover("scratch folder", leftover.path, held, local=True, work=leftover.work)
    elif held:
        stage, fingerprint = Path(leftover.path).parts[-2:]
        yield from _of_artifact(store, stage, fingerprint, {file.path: file for file in held})


def _leftover(kind: Kind, path: str, held: Iterable[StoredFile], *, local: bool, work: str | None = None) -> Leftover:
    found = sorted(held, key=lambda file: file.path)
    names = tuple(file.path for file in found)
    return Leftover(
        kind, path, names, local, work, sum(file.size for file in found), max(file.modified for file in found)
    )


def _held_locks(store: ArtifactStore) -> set[str]:
    """The names of the locks that are held now."""
    found = (file.path for file in files.listing(store.fs, store.lock_folder) if file.path.endswith(locks.SUFFIX))
    return {path.removesuffix(locks.SUFFIX) for path in found if locks.is_held(store.fs, f"{store.lock_folder}/{path}")}


def _covers(held: set[str], work: str | None) -> bool:
    """Whether one of the locks is that of `work` or of a part of it."""
    return work is not None and any(name == work or name.startswith(f"{work}-") for name in held)


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


def _itself(file: StoredFile) -> StoredFile:
    return StoredFile("", file.size, file.modified)


def _is_temporary(file: StoredFile) -> bool:
    return Path(file.path).name.startswith((TEMPORARY, PROBE))
