"""The local folder of a model, ready for from_pretrained: of an artifact, exactly the files that it was made from."""

import socket
from collections.abc import Mapping
from pathlib import Path

from ifrl_core.artifacts import ArtifactRef, ArtifactStore
from ifrl_core.artifacts.digest import digest_of_files
from ifrl_core.errors import ModelError
from ifrl_core.models.content import WEIGHTS, digests_of_model
from ifrl_core.models.copies import copy_of
from ifrl_core.models.resolve import locate

SOURCE = "source.json"  # of a model artifact that points to its files: uri, pinned, digest, and the sha256 of each file


def model_folder(ref: ArtifactRef, store: ArtifactStore, *, weights: bool = True) -> Path:
    """The local folder of any artifact that holds a model (stages model, policy, reward-model), its files checked.

    Without `weights`, those of an artifact on an object store need not be there: its tokenizer alone does without.

    Raises:
        ModelError: when a model that it points to is gone, or no longer what it was.
        ArtifactError: when a file of its own is missing or altered.
    """
    if any(shard.name.startswith("model/") for shard in store.manifest(ref).shards):
        return store.local_folder(ref, prefix="model/", without="" if weights else WEIGHTS)
    source = store.read_json(ref, SOURCE)
    uri, digest = source["uri"], source["digest"]
    return pinned_folder(uri, source.get("pinned", uri), digest, source.get("files", {}))


def local_folder(uri: str) -> Path:
    """The local folder of what a model URI names now, other than embedded ones.

    Raises:
        ModelError: when it names nothing, saying what was looked for.
    """
    return locate(uri).folder


def pinned_folder(uri: str, pinned: str, digest: str, recorded: Mapping[str, str]) -> Path:
    """The local folder with the files of `digest`, which `pinned` named when `uri` was resolved.

    `recorded`: sha256 by file, to say which one has changed; may be empty.

    Raises:
        ModelError: when it holds other files now, naming both digests.
    """
    if folder := copy_of(digest):
        return folder
    faults = []
    for candidate in dict.fromkeys((pinned, uri)):  # what was meant may have moved, and lie where `uri` says now
        try:
            folder = locate(candidate).folder
        except ModelError as error:
            faults.append(_absence(candidate) if Path(candidate).is_absolute() else str(error))
            continue
        found = digests_of_model(folder)
        if digest_of_files(found) == digest:
            return folder
        faults.append(_change(folder, found, recorded))
    raise ModelError(
        f"model {uri!r} is not what was imported, with digest {digest}: {'; '.join(faults)}. Put that back, or start the run "
        "again: it imports what is there now as another model"
    )


def _absence(folder: str) -> str:
    return f"{folder} is not there on {socket.gethostname()} (a folder has to lie at the same path on every machine)"


def _change(folder: Path, found: Mapping[str, str], recorded: Mapping[str, str]) -> str:
    """What a folder holds now, and which files are not as recorded."""
    changed = sorted(name for name in {*found, *recorded} if found.get(name) != recorded.get(name)) if recorded else []
    which = f" (other: {', '.join(changed[:3])})" if changed else ""
    return f"{folder} now has digest {digest_of_files(found)}{which}"
