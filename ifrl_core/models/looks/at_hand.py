"""A model as far as it lies on this machine: nothing is downloaded for a look at a plan."""

from pathlib import Path
from typing import Any

from ifrl_core.models.embedded import gguf_file
from ifrl_core.models.looks.chat import load_tokenizer
from ifrl_core.models.looks.folder import look_at_policy
from ifrl_core.models.resolve import at_hand
from ifrl_core.models.uri import form


def look_at_hand(uri: str) -> None:
    """Look at a model that is on this machine.

    Raises:
        ModelError: when it is not a whole, trainable chat model.
        ArtifactError, TrackingError: when the store or the registry that it names does not answer.
    """
    if folder := folder_at_hand(uri):
        look_at_policy(folder, uri)


def tokenizer_at_hand(uri: str) -> Any | None:
    """The tokenizer of a model on this machine; None for what is elsewhere."""
    if form(uri) == "embedded":
        from transformers import AutoTokenizer

        file = gguf_file(uri)
        return AutoTokenizer.from_pretrained(file.parent, gguf_file=file.name)
    folder = folder_at_hand(uri)
    return load_tokenizer(folder, uri) if folder else None


def folder_at_hand(uri: str) -> Path | None:
    """The folder of a model on this machine; of the hub's cache, a part may be here alone."""
    return None if form(uri) == "hub" else at_hand(uri)
