"""`--set section.key=value`: what people type on a command line, put into a recipe's document."""

from typing import Any, get_args, get_origin

import yaml

from ifrl_core.config import PipelineConfig
from ifrl_core.config.base import kinds_of
from ifrl_core.config.faults import field_at
from ifrl_core.errors import ConfigError


def apply_override(document: dict[str, Any], override: str) -> None:
    """Set a dotted key of a document; sections on the way are made where there are none.

    Raises:
        ConfigError: when it is not section.key=value, leads through a value, or the value is not YAML.
    """
    key, separator, value = override.partition("=")
    if not separator or not key.strip():
        raise ConfigError(f"override {override!r} must look like section.key=value, e.g. policy.max_steps=5")
    *parents, last = key.strip().split(".")
    section = document
    for name in parents:
        if section.get(name) is None:
            section[name] = {}
        section = section[name]
        if not isinstance(section, dict):
            raise ConfigError(f"override {override!r}: {name!r} is a value, not a section")
    section[last] = _value(value.strip(), override, [*parents, last])


def _value(text: str, override: str, path: list[str]) -> Any:
    """The value as YAML reads it; a text stays one where a text is expected (`name=007`, `instructions.types=tone:`)."""
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ConfigError(
            f"override {override!r}: the value is not YAML: {error}. Lists look like [a, b], mappings like {{a: 1}}"
        ) from error
    field = field_at(PipelineConfig, path)
    kinds = kinds_of(field.annotation) if field else []
    textual = str in kinds or any(get_origin(kind) is tuple and get_args(kind)[0] is str for kind in kinds)
    if textual and value is not None and not text.startswith(("[", "{", "'", '"')):
        return text
    return _number(value) if isinstance(value, str) and str not in kinds else value


def _number(text: str) -> str | float:
    """YAML 1.1 reads 3e-5 as a string; people mean a number."""
    try:
        return float(text) if "e" in text.lower() else text
    except ValueError:
        return text
