"""From a model URI to the files that it names at this moment, on this machine."""

from dataclasses import dataclass
from pathlib import Path

from ifrl_core.artifacts import canonical_json, files
from ifrl_core.artifacts.digest import digest_of_bytes
from ifrl_core.artifacts.download import download
from ifrl_core.artifacts.files import StoredFile
from ifrl_core.errors import ModelError
from ifrl_core.models.content import PATTERNS, check_names, is_model_file
from ifrl_core.models.copies import Elsewhere, check_room
from ifrl_core.models.registered import Registered, download_registered, find_registered
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
            return Located(_remote(uri).fetched(), uri)
        case "folder":
            folder = Path(uri).expanduser().resolve()
            return Located(folder, str(folder))
        case "hub":
            return _hub_snapshot(uri)
        case "embedded":
            raise ModelError(f"model {uri!r} is not a folder; {FORMS}")


def at_hand(uri: str) -> Path | None:
    """The folder of a model as far as this machine has it; None for what would have to be fetched, or made.

    Raises:
        ModelError: when it names nothing.
        ArtifactError, TrackingError: when a store or MLflow does not answer.
    """
    match form(uri):
        case "registered":
            found = find_registered(uri)
            return found.folder or _kept(found).at_hand()
        case "remote":
            return _remote(uri).at_hand()
        case "folder":
            return Path(uri).expanduser()
        case "hub":
            try:
                return _snapshot(uri, local_files_only=True)
            except ModelError:
                return None
        case "embedded":
            return None


def _registered(uri: str) -> Located:
    """A version that MLflow keeps in a folder is read there; of another, this machine keeps a copy."""
    found = find_registered(uri)
    if found.folder:
        return Located(found.folder, str(found.folder), found.pinned)
    return Located(_kept(found).fetched(), found.pinned, found.pinned)


def _kept(found: Registered) -> Elsewhere:
    """Where MLflow keeps a version. What lies on s3:// is read there, and not through MLflow, which needs boto3 for it."""
    if found.location.startswith("s3://"):
        return _remote(found.location)
    return Elsewhere(found.pinned, lambda: found.location, lambda target: download_registered(found, target))


def _remote(uri: str) -> Elsewhere:
    fs, folder = files.filesystem(uri)

    def listed() -> list[StoredFile]:
        return [file for file in files.listing(fs, folder) if is_model_file(file.path)]

    def state() -> str:
        found = listed()
        check_names({file.path for file in found}, uri, "it")
        return digest_of_bytes(canonical_json([[f.path, f.size, f.modified, f.tag] for f in found]).encode())

    def fetch(target: Path) -> None:
        found = listed()
        check_room({file.path: file.size for file in found}, target, uri)
        for file in found:
            download(fs, f"{folder}/{file.path}", target / file.path, size=file.size)

    return Elsewhere(uri, state, fetch)


def _hub_snapshot(uri: str) -> Located:
    folder = _snapshot(uri)
    return Located(folder, f"{split_revision(uri)[0]}@{folder.name}", folder.name)


def _snapshot(uri: str, *, local_files_only: bool = False) -> Path:
    """The folder of a hub id in huggingface_hub's cache; it is called as the commit."""
    from huggingface_hub import snapshot_download

    name, revision = split_revision(uri)
    others = [f"*/{pattern}" for pattern in PATTERNS if "/" not in pattern and pattern != "*.jinja"]
    try:
        folder = snapshot_download(
            name,
            revision=revision,
            allow_patterns=list(PATTERNS),
            ignore_patterns=others,
            local_files_only=local_files_only,
        )
    except Exception as error:
        raise ModelError(
            f"model {uri!r} is not a local folder, and the hub did not give it: {error}; {FORMS}"
        ) from error
    return Path(folder)
