"""Recipes: YAML files that become a PipelineConfig, with dotted overrides and errors that name the key.

load_recipe("deployments/recipes/demo-cpu.yaml", ["policy.max_steps=5", "seeds.files=[mine.jsonl]"])
"""

from collections.abc import Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from ifrl_core.config import PipelineConfig
from ifrl_core.config.faults import lines_of
from ifrl_core.config.overrides import apply_override
from ifrl_core.errors import ConfigError

RECIPES = Path(__file__).parents[2] / "deployments" / "recipes"


def load_recipe(recipe: str, overrides: Sequence[str] = ()) -> PipelineConfig:
    """The config of a recipe file, or of a shipped recipe by its name ("demo-cpu"), with `key=value` overrides.

    Raises:
        ConfigError: naming the file or key, and what is allowed there.
    """
    path = _find(recipe)
    try:
        document = yaml.load(path.read_text(encoding="utf-8"), _Loader) or {}
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
    document = deepcopy(document)
    for override in overrides:
        apply_override(document, override)
    try:
        return PipelineConfig.model_validate(document)
    except ValidationError as error:
        lines = "\n".join(f"  {line}" for line in lines_of(error, PipelineConfig))
        changed = ", ".join(override.partition("=")[0] for override in overrides)
        raise ConfigError(f"{source}{changed and f' with a changed {changed}'} is not valid:\n{lines}") from None


def shipped_recipes() -> list[str]:
    return sorted(path.stem for path in RECIPES.glob("*.yaml"))


class _Loader(yaml.SafeLoader):
    """YAML in which a key that comes twice is an error, since the first of the two would be dropped in silence."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            name = str(key.value)
            if name in seen and key.tag != "tag:yaml.org,2002:merge":
                raise yaml.constructor.ConstructorError(None, None, f"the key {name} comes twice", key.start_mark)
            seen.add(name)
        return super().construct_mapping(node, deep=deep)


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
