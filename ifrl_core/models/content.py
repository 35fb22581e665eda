"""What of a folder makes a model: which files, and the digest of what they hold."""

from fnmatch import fnmatchcase
from pathlib import Path

from ifrl_core.artifacts.digest import digest_of_files, digest_once
from ifrl_core.errors import ModelError

# What transformers reads of a folder. Pickled weights (*.bin, *.pt) are never read, and never fetched.
PATTERNS = ("*.safetensors", "*.json", "*.txt", "*.model", "*.jinja", "additional_chat_templates/*.jinja")
CONFIG = "config.json"
WEIGHTS = ".safetensors"


def is_model_file(name: str) -> bool:
    """Whether a file makes the model, by its path below the model's folder."""
    return any(name.count("/") == pattern.count("/") and fnmatchcase(name, pattern) for pattern in PATTERNS)


def model_files(folder: Path) -> dict[str, Path]:
    """The files of `folder` that make the model, by their paths below it."""
    found = (path for pattern in PATTERNS for path in folder.glob(pattern) if path.is_file())
    return {path.relative_to(folder).as_posix(): path for path in sorted(found)}


def digests_of_model(folder: Path) -> dict[str, str]:
    """The sha256 of each of its files by name; large ones are read once a machine (`digest_once`)."""
    return {name: digest_once(path) for name, path in model_files(folder).items()}


def digest_of_model(folder: Path) -> str:
    """One digest of the names and contents of all its files."""
    return digest_of_files(digests_of_model(folder))


def check_names(names: set[str], uri: str, place: object) -> None:
    """Whether files of these names at `place` can be a model.

    Raises:
        ModelError: without a config, or without weights in safetensors.
    """
    if CONFIG not in names:
        raise ModelError(f"model {uri!r}: {place} has no {CONFIG}, so it is not a Hugging Face model folder")
    if not any(name.endswith(WEIGHTS) for name in names):
        raise ModelError(f"model {uri!r}: {place} has no *.safetensors (pickled weights are never read)")
