"""What a store holds: its artifacts, one of them by a short name, what it is made of, and whether all bytes are right."""

import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

import pyarrow.parquet as pq

from ifrl_core.artifacts import files
from ifrl_core.artifacts.digest import digest_of_stored
from ifrl_core.artifacts.files import StoredFile
from ifrl_core.artifacts.layout import ARTIFACT_FILE
from ifrl_core.artifacts.manifest import MANIFEST, ArtifactRef, Manifest
from ifrl_core.artifacts.store import ArtifactStore
from ifrl_core.errors import ArtifactError, InputError

State = Literal["committed", "unfinished", "damaged"]


@dataclass(frozen=True)
class Entry:
    """One folder of the store. `rows` and `seconds` are None unless it is committed; `size` is in bytes of all its files."""

    stage: str
    fingerprint: str
    state: State
    rows: int | None
    files: int
    size: int
    seconds: float | None
    modified: str


@dataclass(frozen=True)
class Problem:
    """A file that is not what its manifest says, or a manifest that cannot be read."""

    artifact: str
    file: str
    problem: str


def _by_folder(listed: list[StoredFile]) -> dict[tuple[str, str], dict[str, StoredFile]]:
    """The files of a store's listing by (stage, fingerprint) and by name in that folder; files elsewhere are left out."""
    by_folder: dict[tuple[str, str], dict[str, StoredFile]] = defaultdict(dict)
    for file in listed:
        if match := ARTIFACT_FILE.fullmatch(file.path):
            name = match["name"]
            by_folder[match["stage"], match["fingerprint"]][name] = StoredFile(name, file.size, file.modified)
    return dict(by_folder)


def entries(store: ArtifactStore) -> list[Entry]:
    """Every artifact, finished or not, by stage and then the oldest first."""
    folders = _by_folder(files.listing(store.fs, store.base))
    unsorted = [_entry(store, stage, fingerprint, stored) for (stage, fingerprint), stored in folders.items()]
    return sorted(unsorted, key=lambda entry: (entry.stage, entry.modified, entry.fingerprint))


def resolve(store: ArtifactStore, reference: str) -> ArtifactRef:
    """The artifact that `stage/fingerprint-prefix` names.

    Raises:
        InputError: when it has another form, or names no or several committed artifacts.
    """
    stage, slash, prefix = reference.strip("/").partition("/")
    if not slash or not prefix:
        raise InputError(
            f"{reference!r} names no artifact: write STAGE/FINGERPRINT, e.g. labels/3f9a (a prefix will do)"
        )
    committed = [entry for entry in entries(store) if entry.state == "committed"]
    of_stage = [entry.fingerprint for entry in committed if entry.stage == stage]
    if not of_stage:
        stages = ", ".join(sorted({entry.stage for entry in committed})) or "none"
        raise InputError(f"{store.root} holds no artifact of stage {stage!r}; stages there: {stages}")
    fitting = [fingerprint for fingerprint in of_stage if fingerprint.startswith(prefix)]
    if len(fitting) != 1:
        shown = "\n".join(f"  {stage}/{fingerprint[:16]}" for fingerprint in (fitting or of_stage)[:20])
        few = "several artifacts; give more digits" if fitting else "no committed artifact; there are"
        raise InputError(f"{reference} names {few}:\n{shown}")
    return store.ref(store.read_manifest(stage, fitting[0]))


def describe(store: ArtifactStore, ref: ArtifactRef) -> dict[str, Any]:
    """The manifest of `ref`, the Parquet schema of each kind of table in it, and its lineage."""
    manifest = store.manifest(ref)
    return {
        **ref.model_dump(),
        **manifest.model_dump(mode="json", exclude={"shards"}),
        "size": sum(shard.size for shard in manifest.shards),
        "shards": [shard.model_dump(mode="json", exclude={"cost", "made_with"}) for shard in manifest.shards],
        "schemas": _schemas(store, ref, manifest),
        "lineage": lineage(store, ref),
    }


def lineage(store: ArtifactStore, ref: ArtifactRef) -> list[dict[str, Any]]:
    """What `ref` was made from, up to the artifacts that have no inputs, depth first.

    Each item is {"depth": 1.., "input": its name there, "artifact": "stage/fingerprint", "rows": int or None when it is no
    longer in the store}; the parents of an artifact that comes up twice are listed once.
    """
    return list(_lineage(store, store.manifest(ref).inputs, 1, set()))


def verify(store: ArtifactStore, stage: str, fingerprint: str) -> Iterator[Problem]:
    """Re-hash every file of one artifact: a problem for each that is missing or altered."""
    artifact = f"{stage}/{fingerprint}"
    try:
        manifest = store.read_manifest(stage, fingerprint)
    except (ArtifactError, FileNotFoundError) as error:
        yield Problem(artifact, MANIFEST, str(error))
        return
    for shard in manifest.shards:
        path = f"{store.folder(stage, fingerprint)}/{shard.name}"
        try:
            digest = digest_of_stored(store.fs, path)
        except FileNotFoundError:
            yield Problem(artifact, shard.name, "missing")
            continue
        if digest != shard.sha256:
            yield Problem(artifact, shard.name, f"sha256 is {digest}, the manifest says {shard.sha256}")


def _entry(store: ArtifactStore, stage: str, fingerprint: str, stored: dict[str, StoredFile]) -> Entry:
    manifest: Manifest | None = None
    state: State = "unfinished"
    if MANIFEST in stored:
        try:
            manifest, state = store.read_manifest(stage, fingerprint), "committed"
        except ArtifactError:
            state = "damaged"
    newest = stored[MANIFEST].modified if MANIFEST in stored else max(file.modified for file in stored.values())
    return Entry(
        stage=stage,
        fingerprint=fingerprint,
        state=state,
        rows=store.ref(manifest).rows if manifest else None,
        files=len(stored),
        size=sum(file.size for file in stored.values()),
        seconds=manifest.cost.seconds if manifest else None,
        modified=datetime.fromtimestamp(newest, UTC).isoformat(timespec="seconds"),
    )


def _schemas(store: ArtifactStore, ref: ArtifactRef, manifest: Manifest) -> dict[str, dict[str, str]]:
    """Column types by the name of a table, its shard number a star."""
    columns: dict[str, dict[str, str]] = {}
    for shard in manifest.shards:
        table = re.sub(r"\d+(?=\.parquet$)", "*", shard.name)
        if not shard.name.endswith(".parquet") or table in columns:
            continue
        path = f"{store.folder(ref.stage, ref.fingerprint)}/{shard.name}"
        with files.naming(path, "read"), store.fs.open(path, "rb") as stream:
            columns[table] = {field.name: str(field.type) for field in pq.read_schema(stream)}
    return columns


def _lineage(store: ArtifactStore, inputs: dict[str, str], depth: int, seen: set[str]) -> Iterator[dict[str, Any]]:
    for name, artifact in inputs.items():
        stage, _, fingerprint = artifact.partition("/")
        try:
            manifest = store.read_manifest(stage, fingerprint)
        except FileNotFoundError:
            yield {"depth": depth, "input": name, "artifact": artifact, "rows": None}
            continue
        yield {"depth": depth, "input": name, "artifact": artifact, "rows": store.ref(manifest).rows}
        if artifact not in seen:
            seen.add(artifact)
            yield from _lineage(store, manifest.inputs, depth + 1, seen)
