"""Model URIs become local folders of safetensors, tokenizer and config, ready for from_pretrained."""

from pathlib import Path

from ifrl_core.artifacts import ArtifactRef, ArtifactStore, files
from ifrl_core.artifacts.digest import digest_of_bytes
from ifrl_core.artifacts.download import download
from ifrl_core.errors import ModelError
from ifrl_core.models.uri import FORMS, form
from ifrl_core.settings import cache_folder, tracking_uri

FILES = ("*.safetensors", "*.json", "*.txt", "*.model", "*.jinja")  # what of a folder makes the model


def model_folder(ref: ArtifactRef, store: ArtifactStore) -> Path:
    """The local folder of any artifact that holds a model (stages model, policy, reward-model)."""
    if any(shard.name.startswith("model/") for shard in store.manifest(ref).shards):
        return store.local_folder(ref, prefix="model/")
    return local_folder(store.read_json(ref, "source.json")["uri"])


def local_folder(uri: str) -> Path:
    """The local folder of a model URI other than embedded ones, fetched where it is elsewhere.

    Raises:
        ModelError: when it names nothing, saying what was looked for.
    """
    match form(uri):
        case "registered":
            return _registered(uri)
        case "remote":
            return _fetched(uri)
        case "folder":
            return Path(uri).expanduser()
        case "hub":
            return _hub_snapshot(uri)
        case "embedded":
            raise ModelError(f"model {uri!r} is not a folder; {FORMS}")


def _registered(uri: str) -> Path:
    from mlflow.artifacts import download_artifacts
    from mlflow.exceptions import MlflowException

    try:
        return Path(download_artifacts(uri, tracking_uri=tracking_uri()))
    except MlflowException as error:
        raise ModelError(f"model {uri!r} is not in MLflow's registry: {error}") from error


def _fetched(uri: str) -> Path:
    fs, folder = files.filesystem(uri)
    remote = files.listing(fs, folder)
    if "config.json" not in {file.path for file in remote}:
        raise ModelError(f"model {uri!r} has no config.json there")
    target = cache_folder() / "models" / digest_of_bytes(uri.encode())[:32]
    for file in remote:
        download(fs, f"{folder}/{file.path}", target / file.path, size=file.size)
    return target


def _hub_snapshot(uri: str) -> Path:
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(uri, allow_patterns=list(FILES)))
    except Exception as error:
        raise ModelError(
            f"model {uri!r} is not a local folder, and the hub did not give it: {error}; {FORMS}"
        ) from error
