"""The stage `model`: a base model in the store, by what its files hold."""

import json
from collections.abc import Callable
from pathlib import Path

from ifrl_core.artifacts.digest import digest_once
from ifrl_core.config import PipelineConfig, StageConfig
from ifrl_core.identity.fields import How
from ifrl_core.models.check import check_policy
from ifrl_core.models.content import CONFIG, check_names, digest_of_model, digests_of_model, model_files
from ifrl_core.models.embedded import convert_gguf, gguf_file
from ifrl_core.models.folder import SOURCE, pinned_folder
from ifrl_core.models.looks.folder import look_at_policy
from ifrl_core.models.resolve import locate
from ifrl_core.models.uri import form
from ifrl_core.stages.stage import Figures, Inputs, Work, stage


class ModelSource(StageConfig):
    """Identity of a base model, what it is called and what its files hold; and where they were found (models/resolve.py)."""

    uri: str
    digest: str
    pinned: How[str] = ""
    revision: How[str] = ""


def model_source(uri: str, *, look: Callable[[Path], object] = lambda folder: None) -> ModelSource:
    """Resolve `uri` far enough to know its content, without loading anything.

    `look` may refuse the folder, before its large files are hashed; the embedded model has none yet.

    Raises:
        ModelError: when it names nothing, saying what was looked for.
    """
    if form(uri) == "embedded":
        return ModelSource(uri=uri, digest=digest_once(gguf_file(uri)))
    found = locate(uri)
    look(found.folder)
    check_names(set(model_files(found.folder)), uri, found.folder)
    digest = digest_of_model(found.folder)
    return ModelSource(uri=uri, digest=digest, pinned=found.pinned, revision=found.revision)


def _policy_source(recipe: PipelineConfig) -> ModelSource:
    return model_source(recipe.model, look=lambda folder: look_at_policy(folder, recipe.model))


@stage("model", version=1, inputs=(), config=_policy_source, check=check_policy, seeded=False)
def import_model(config: ModelSource, inputs: Inputs, work: Work) -> Figures:
    """Bring a base model into the store: the embedded one as converted safetensors, others as a pointer to their files.

    Raises:
        ModelError: when the files are not those of its digest any more.
    """
    work.progress(0, 1, f"preparing {config.uri}")
    source: dict[str, object] = {"uri": config.uri, "digest": config.digest}
    if form(config.uri) == "embedded":
        folder = work.scratch / "model"
        convert_gguf(gguf_file(config.uri), folder)
        work.writer.write_folder(folder, prefix="model")
    else:
        pinned = config.pinned or config.uri
        folder = pinned_folder(config.uri, pinned, config.digest, {})
        source |= {"pinned": pinned, "revision": config.revision, "files": digests_of_model(folder)}
    document = json.loads((folder / CONFIG).read_text())
    work.writer.write_json(SOURCE, source)
    work.progress(1, 1, "model ready")
    figures = {"architecture": document.get("architectures"), "hidden_size": document.get("hidden_size")}
    return figures | ({"revision": config.revision} if config.revision else {})
