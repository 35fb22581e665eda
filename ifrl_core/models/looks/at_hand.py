"""A model as far as it lies on this machine: nothing is downloaded for a look at a plan."""

from pathlib import Path
from typing import Any

from ifrl_core.models.embedded import gguf_file
from ifrl_core.models.looks.chat import load_tokenizer
from ifrl_core.models.looks.folder import look_at_policy
from ifrl_core.models.uri import form


def look_at_hand(uri: str) -> Any | None:
    """The tokenizer of a model in a local folder or package, once all of it was looked at; None for what is elsewhere.

    Raises:
        ModelError: when the folder is not a whole, trainable chat model.
    """
    match form(uri):
        case "folder":
            folder = Path(uri).expanduser()
            look_at_policy(folder, uri)
            return load_tokenizer(folder, uri)
        case "embedded":
            from transformers import AutoTokenizer

            file = gguf_file(uri)
            return AutoTokenizer.from_pretrained(file.parent, gguf_file=file.name)
        case _:
            return None
