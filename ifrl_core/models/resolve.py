"""From a model URI to the files that it names at this moment, on this machine."""

from dataclasses import dataclass
from pathlib import Path

import fsspec

from ifrl_core.artifacts import canonical_json, files
from ifrl_core.artifacts.digest import digest_of_bytes
from ifrl_core.artifacts.download import download
from ifrl_core.artifacts.files import StoredFile
from ifrl_core.errors import ModelError
from ifrl_core.models.content import PATTERNS, check_names, is_model_file
from ifrl_core.models.copies import fetched
from ifrl_core.models.registered import download_registered, find_registered
from ifrl_core.models.uri import FORMS, form, split_revision


@dataclass(frozen=True)
class Located:
    """Where the files are that a URI names.

    `pinned`: a URI that goes on to name these files while nobody changes them where they lie; `revision`: how the hub or the
    registry calls them (a commit, models:/name/version), else empty.
    """

    folder: Path
    pinned: str
    revision: str = ""


def locate(uri: str) -> Located:
    """The files of a model URI other than embedded ones, fetched where they are elsewhere.

    Raises:
        ModelError: when it names nothing, saying what was looked for.
        ArtifactError: when the store of an s3:// URI does not answer.
    """
    match form(uri):
        case "registered":
            return _registered(uri)
        case "remote":
            return Located(_remote(uri), uri)
        case "folder":
            folder = Path(uri).expanduser().resolve()
            return Located(folder, str(folder))
        case "hub":
            return _hub_snapshot(uri)
        case "embedded":
            raise ModelError(f"model {uri!r} is not a folder; {FORMS}")


def _registered(uri: str) -> Located:
    """A version that MLflow keeps in a folder or on s3:// is read there; of another, this machine keeps a copy."""
    found = find_registered(uri)
    if found.folder:
        return Located(found.folder, str(found.folder), found.pinned)
    if found.location.startswith("s3://"):
        return Located(_remote(found.location), found.location, found.pinned)
    folder = fetched(found.pinned, lambda: found.location, lambda target: download_registered(found, target))
    return Located(folder, found.pinned, found.pinned)


def _remote(uri: str) -> Path:
    fs, folder = files.filesystem(uri)

    def state() -> str:
        return digest_of_bytes(
            canonical_json([[f.path, f.size, f.modified, f.tag] for f in _listed(fs, folder)]).encode()
        )

    def fetch(target: Path) -> None:
        for file in _listed(fs, folder):
            download(fs, f"{folder}/{file.path}", target / file.path, size=file.size)

    check_names({file.path for file in _listed(fs, folder)}, uri, "it")
    return fetched(uri, state, fetch)


def _listed(fs: fsspec.AbstractFileSystem, folder: str) -> list[StoredFile]:
    return [file for file in files.listing(fs, folder) if is_model_file(file.path)]


def _hub_snapshot(uri: str) -> Located:
    from huggingface_hub import snapshot_download

    name, revision = split_revision(uri)
    others = [f"*/{pattern}" for pattern in PATTERNS if "/" not in pattern and pattern != "*.jinja"]
    try:
        folder = Path(snapshot_download(name, revision=revision, allow_patterns=list(PATTERNS), ignore_patterns=others))
    except Exception as error:
        raise ModelError(
            f"model {uri!r} is not a local folder, and the hub did not give it: {error}; {FORMS}"
        ) from error
    return Located(folder, f"{name}@{folder.name}", folder.name)
