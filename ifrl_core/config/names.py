"""Names that MLflow and Prefect will be given, refused with the recipe as they would refuse them after all the work.

MLflow's rules are those of mlflow.utils.validation (3.17) for registered models, logged models and aliases, and what its URIs
(`models:/NAME@ALIAS`) can say; Prefect's are those of prefect.types.names. A test holds them against the installed versions,
which take seconds to import.
"""

import re
from typing import Annotated

from pydantic import AfterValidator, Field

_LONGEST = 255  # characters: of an alias; a database keeps 256 of a model's name
_NOT_IN_MODELS = "/:.%\"'?@"
_ALIAS = re.compile(r"[\w-]+")
_VERSION = re.compile(r"[vV]\d+")
_NOT_IN_PREFECT = "/%&<>"


def model_name(value: str) -> str:
    """A name that MLflow takes for a registered model and for the logged model behind it.

    Raises:
        ValueError: what is wrong with it, and what would do.
    """
    if not value.strip() or value != value.strip() or not value.isprintable():
        raise ValueError("a name is expected: printable characters, and no blanks at its ends")
    if marks := sorted({mark for mark in value if mark in _NOT_IN_MODELS}):
        better = "".join("-" if mark in _NOT_IN_MODELS else mark for mark in value).strip("-")
        hint = f", such as {better}" if better else ""
        raise ValueError(f"MLflow takes no {' '.join(marks)} in the name of a model; use another name{hint}")
    if len(value) > _LONGEST:
        raise ValueError(f"MLflow takes at most {_LONGEST} characters, and these are {len(value)}")
    return value


def alias(value: str) -> str:
    """A name that MLflow takes for an alias of a model's version.

    Raises:
        ValueError: what is wrong with it, and what would do.
    """
    if not _ALIAS.fullmatch(value):
        raise ValueError("MLflow takes letters, digits, _ and - in an alias, at least one; such as challenger")
    if _VERSION.fullmatch(value) or value.lower() == "latest":
        raise ValueError("MLflow keeps v1, v2, ... and latest for itself; use another alias, such as challenger")
    if len(value) > _LONGEST:
        raise ValueError(f"MLflow takes at most {_LONGEST} characters, and these are {len(value)}")
    return value


def prefect_name(value: str) -> str:
    """A name that Prefect takes for a work pool, queue, deployment or schedule.

    Raises:
        ValueError: what is wrong with it.
    """
    if not value.strip() or not value.isprintable() or any(mark in _NOT_IN_PREFECT for mark in value):
        raise ValueError(f"Prefect takes a name without {' '.join(_NOT_IN_PREFECT)}, and not an empty one")
    return value


def place(value: str) -> str:
    """Where a stage runs: a pool, or a deployment as FLOW/NAME; empty: where the pipeline does.

    Raises:
        ValueError: what is wrong with it.
    """
    parts = value.split("/")
    if value and len(parts) > 2:
        raise ValueError("a pool (gpu) or a deployment (stage/gpu) is expected, with one / at most")
    return "/".join(prefect_name(part) for part in parts) if value else value


ModelName = Annotated[str, Field(min_length=1), AfterValidator(model_name)]
Alias = Annotated[str, Field(min_length=1), AfterValidator(alias)]
PrefectName = Annotated[str, AfterValidator(prefect_name)]
Place = Annotated[str, AfterValidator(place)]
