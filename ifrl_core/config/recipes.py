"""Recipes: YAML files that become a PipelineConfig, with dotted overrides and errors that name the key.

load_recipe("deployments/recipes/demo-cpu.yaml", ["policy.max_steps=5", "seeds.files=[mine.jsonl]"])
"""

import difflib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, get_args

import yaml
from pydantic import BaseModel, ValidationError

from ifrl_core.config import PipelineConfig
from ifrl_core.errors import ConfigError

RECIPES = Path(__file__).parents[2] / "deployments" / "recipes"


def load_recipe(recipe: str, overrides: Sequence[str] = ()) -> PipelineConfig:
    """The config of a recipe file, or of a shipped recipe by its name ("demo-cpu"), with `key=value` overrides.

    Raises:
        ConfigError: naming the file or key, and what is allowed there.
    """
    path = _find(recipe)
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except (yaml.YAMLError, UnicodeDecodeError, OSError) as error:
        raise ConfigError(f"recipe {path} cannot be read: {error}") from error
    if not isinstance(document, dict):
        raise ConfigError(f"recipe {path} must be a mapping of sections, not {type(document).__name__}")
    return build_config(document, overrides, source=str(path))


def build_config(document: dict[str, Any], overrides: Sequence[str] = (), *, source: str = "config") -> PipelineConfig:
    """Validate a plain document with overrides applied.

    Raises:
        ConfigError: one line per wrong key or value.
    """
    for override in overrides:
        _apply(document, override)
    try:
        return PipelineConfig.model_validate(document)
    except ValidationError as error:
        lines = [_explain(item) for item in error.errors()]
        raise ConfigError(f"{source} is not valid:\n" + "\n".join(f"  {line}" for line in lines)) from error


def shipped_recipes() -> list[str]:
    return sorted(path.stem for path in RECIPES.glob("*.yaml"))


def _find(recipe: str) -> Path:
    path = Path(recipe)
    if path.is_file():
        return path
    shipped = RECIPES / f"{recipe}.yaml"
    if shipped.is_file():
        return shipped
    raise ConfigError(
        f"recipe {recipe!r} is neither a file nor one of the shipped ones: {', '.join(shipped_recipes())}"
    )


def _apply(document: dict[str, Any], override: str) -> None:
    key, separator, value = override.partition("=")
    if not separator or not key.strip():
        raise ConfigError(f"override {override!r} must look like section.key=value, e.g. policy.max_steps=5")
    *parents, last = key.strip().split(".")
    section = document
    for name in parents:
        section = section.setdefault(name, {})
        if not isinstance(section, dict):
            raise ConfigError(f"override {override!r}: {name!r} is a value, not a section")
    try:
        section[last] = yaml.safe_load(value)
    except yaml.YAMLError as error:
        raise ConfigError(f"override {override!r}: the value is not YAML: {error}") from error
    if isinstance(section[last], str):
        section[last] = _number(section[last])


def _section(annotation: Any) -> type[BaseModel]:
    """The section of a field that is one, or may be none."""
    return next(
        kind for kind in (annotation, *get_args(annotation)) if isinstance(kind, type) and kind is not type(None)
    )


def _number(text: str) -> str | float:
    """YAML 1.1 reads 3e-5 as a string; people mean a number."""
    try:
        return float(text) if "e" in text.lower() else text
    except ValueError:
        return text


def _explain(error: Any) -> str:
    location = [part for part in error["loc"] if not isinstance(part, int)]
    key = ".".join(str(part) for part in error["loc"])
    if error["type"] != "extra_forbidden":
        return f"{key}: {error['msg']} (got {error.get('input')!r})"
    section: type[BaseModel] = PipelineConfig
    for part in location[:-1]:
        section = _section(section.model_fields[str(part)].annotation)
    allowed = list(section.model_fields)
    close = difflib.get_close_matches(str(location[-1]), allowed, n=1)
    hint = f"; did you mean {close[0]}?" if close else ""
    return f"{key}: unknown key{hint} Allowed: {', '.join(allowed)}"
