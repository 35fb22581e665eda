"""What looks like a secret in a recipe. A recipe is written to the store, MLflow and Prefect for everybody to read."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from ifrl_core.text.masking import masked

_NAMES = re.compile(
    r"(.*_)?(api_?keys?|access_?key(_id)?|secrets?|passwords?|passwd|credentials?|private_?key)"
    r"|(.*_)?(hub|hf|auth|access|api|bearer|refresh|session|wandb)_token|token",
    re.IGNORECASE,
)
_VALUES = re.compile(
    r"\bhf_[A-Za-z0-9]{16,}"  # Hugging Face
    r"|\bsk-[\w-]{16,}"  # OpenAI and kin
    r"|\bgh[pousr]_[A-Za-z0-9]{16,}|\bgithub_pat_\w{16,}|\bglpat-[\w-]{16,}"  # GitHub, GitLab
    r"|\b(?:AKIA|ASIA)[0-9A-Z]{16}\b"  # AWS
    r"|\bxox[abeprs]-[\w-]{10,}"  # Slack
    r"|\beyJ[\w-]{10,}\.[\w-]{10,}\."  # JSON web tokens
    r"|\bBearer\s+\S{8,}"
    r"|-----BEGIN [A-Z ]*PRIVATE KEY",
)


def looks_secret(value: str) -> bool:
    """Whether a value has the form of a key, a token or a URL with a password."""
    return masked(value) != value or _VALUES.search(value) is not None


def secret_faults(document: Any, path: str = "") -> Iterator[str]:
    """Every key of a document whose name or value is that of a secret, with the remedy; values are never repeated."""
    if isinstance(document, Mapping):
        for key, value in document.items():
            name = f"{path}.{key}" if path else str(key)
            if isinstance(value, str) and value and _NAMES.fullmatch(str(key)):
                yield _fault(name)
            else:
                yield from secret_faults(value, name)
    elif isinstance(document, list | tuple):
        for value in document:
            yield from secret_faults(value, path)
    elif isinstance(document, str) and looks_secret(document):
        yield _fault(path)


def _fault(path: str) -> str:
    return (
        f"{path} holds a secret, and a recipe is kept where others read it (store, MLflow, Prefect): take it out and give it "
        "by the environment (such as HF_TOKEN or AWS_SECRET_ACCESS_KEY) or by IFRL_SECRETS_BLOCK"
    )
