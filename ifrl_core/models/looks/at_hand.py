"""A model as far as it lies on this machine: nothing is downloaded for a look at a plan."""

from pathlib import Path
from typing import Any

from ifrl_core.models.embedded import gguf_file
from ifrl_core.models.looks.chat import load_tokenizer
from ifrl_core.models.looks.folder import look_at_policy
from ifrl_core.models.uri import form


def look_at_hand(uri: str) -> None:
    """Look at a model in a local folder.

    Raises:
        ModelError: when it is not a whole, trainable chat model.
    """
    if form(uri) == "folder":
        look_at_policy(Path(uri).expanduser().resolve(), uri)


def tokenizer_at_hand(uri: str) -> Any | None:
    """The tokenizer of a model in a local folder or package; None for what is elsewhere."""
    match form(uri):
        case "folder":
            return load_tokenizer(Path(uri).expanduser(), uri)
        case "embedded":
            from transformers import AutoTokenizer

            file = gguf_file(uri)
            return AutoTokenizer.from_pretrained(file.parent, gguf_file=file.name)
        case _:
            return None
