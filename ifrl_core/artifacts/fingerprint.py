"""One fingerprint for everything: it names the folder in the store, the Prefect cache key and the MLflow tag.

It says *what* is made (stage, version, config, content, inputs), never where or how: identity/fields.py has the rule.
"""

import json
import math
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from ifrl_core.artifacts.digest import digest_of_bytes
from ifrl_core.identity.fields import identity_of


def canonical_json(value: Any) -> str:
    """`value` as JSON with sorted keys and no spaces: equal values give equal text in every process.

    Raises:
        TypeError: for anything without a stable form (sets, callables, NaN, objects with a default repr).
    """
    return json.dumps(_stable(value, "value"), sort_keys=True, separators=(",", ":"), ensure_ascii=True)


def fingerprint(stage: str, version: int, config: Any, inputs: Mapping[str, str]) -> str:
    """64 hex digits: sha256 over (stage name, stage version, config, fingerprints of the inputs by name)."""
    identity = {"stage": stage, "version": version, "config": config, "inputs": dict(inputs)}
    return digest_of_bytes(canonical_json(identity).encode())


def _stable(value: Any, where: str) -> Any:
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        if not math.isfinite(value):
            raise TypeError(f"{where}: {value} has no stable form; use a finite number or null")
        return value
    if isinstance(value, BaseModel):
        return {name: _stable(item, f"{where}.{name}") for name, item in identity_of(value).items()}
    if isinstance(value, Mapping):
        for key in value:
            if not isinstance(key, str):
                raise TypeError(f"{where}: key {key!r} is not a string")
        return {key: _stable(item, f"{where}.{key}") for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_stable(item, f"{where}[{index}]") for index, item in enumerate(value)]
    raise TypeError(f"{where}: {type(value).__name__} has no stable form; use JSON values or pydantic models")
