"""The stage `model`: a base model in the store, by what its files hold."""

import json
from pathlib import Path

from ifrl_core.artifacts.digest import digest_of_folder, digest_once
from ifrl_core.config import StageConfig
from ifrl_core.errors import ModelError
from ifrl_core.models.embedded import convert_gguf, gguf_file
from ifrl_core.models.folder import FILES, local_folder
from ifrl_core.models.uri import form
from ifrl_core.stages.stage import Figures, Inputs, Work, stage


class ModelSource(StageConfig):
    """Identity of a base model: what it is called and what its files hold."""

    uri: str
    digest: str


def model_source(uri: str) -> ModelSource:
    """Resolve `uri` far enough to know its content, without loading anything.

    Raises:
        ModelError: when it names nothing, saying what was looked for.
    """
    if form(uri) == "embedded":
        return ModelSource(uri=uri, digest=digest_once(gguf_file(uri)))
    return ModelSource(uri=uri, digest=_folder_digest(local_folder(uri), uri))


@stage("model", version=1, inputs=(), config=lambda recipe: model_source(recipe.model), seeded=False)
def import_model(config: ModelSource, inputs: Inputs, work: Work) -> Figures:
    """Bring a base model into the store: the embedded one as converted safetensors, others as a pointer to their folder."""
    work.progress(0, 1, f"preparing {config.uri}")
    if form(config.uri) == "embedded":
        folder = work.scratch / "model"
        convert_gguf(gguf_file(config.uri), folder)
        work.writer.write_folder(folder, prefix="model")
    else:
        folder = local_folder(config.uri)
    document = json.loads((folder / "config.json").read_text())
    work.writer.write_json("source.json", {"uri": config.uri, "digest": config.digest})
    work.progress(1, 1, "model ready")
    return {"architecture": document.get("architectures"), "hidden_size": document.get("hidden_size")}


def _folder_digest(folder: Path, uri: str) -> str:
    if not (folder / "config.json").is_file():
        raise ModelError(f"model {uri!r}: {folder} has no config.json, so it is not a Hugging Face model folder")
    if not any(folder.glob("*.safetensors")):
        raise ModelError(f"model {uri!r}: {folder} has no *.safetensors (pickled weights are never read)")
    return digest_of_folder(path for pattern in FILES for path in folder.glob(pattern))
