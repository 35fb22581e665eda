"""docker/compose.yaml as services: command, environment, secrets, health check and order, variables filled in.

Only what that file uses is understood; `${NAME}` and `${NAME:-default}` are filled in as Compose does.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from dotenv import dotenv_values

COMPOSE_FILE = Path(__file__).parent.parent / "docker" / "compose.yaml"

_VARIABLE = re.compile(r"\$(?:(?P<escaped>\$)|\{(?P<name>\w+)(?::-(?P<default>[^}]*))?\})")


@dataclass(frozen=True)
class Service:
    """One service. `health` is the command that exits with 0 when it is healthy, empty for one that runs once; `keys` are
    the variables of its env_file, which may be secret."""

    name: str
    image: str
    command: tuple[str, ...]
    environment: Mapping[str, str]
    keys: Mapping[str, str]
    secrets: tuple[str, ...]
    health: tuple[str, ...]
    after: tuple[str, ...]
    profiles: tuple[str, ...]
    restarts: bool
    stop_signal: str
    stop_seconds: int

    @property
    def own_image(self) -> bool:
        return self.image.startswith("ifrl")


def read_services(variables: Mapping[str, str], path: Path = COMPOSE_FILE) -> dict[str, Service]:
    """The services of a compose file by name, with `variables` in place of Compose's environment."""
    document = _fill(yaml.safe_load(path.read_text()), variables)
    return {name: _service(name, entry, path.parent) for name, entry in document["services"].items()}


def fill_text(text: str, variables: Mapping[str, str]) -> str:
    """Compose's interpolation: `${NAME}`, `${NAME:-default}` (also when NAME is empty), and `$$` for a dollar sign."""

    def value(match: re.Match[str]) -> str:
        if match["escaped"]:
            return "$"
        return variables.get(match["name"]) or match["default"] or ""

    return _VARIABLE.sub(value, text)


def _fill(item: Any, variables: Mapping[str, str]) -> Any:
    if isinstance(item, str):
        return fill_text(item, variables)
    if isinstance(item, dict):
        return {key: _fill(value, variables) for key, value in item.items()}
    if isinstance(item, list):
        return [_fill(value, variables) for value in item]
    return item


def _service(name: str, entry: Mapping[str, Any], folder: Path) -> Service:
    check = entry.get("healthcheck", {}).get("test", ["CMD"])
    keys: dict[str, str] = {}
    for file in entry.get("env_file", []):
        values = dotenv_values(folder / file["path"], interpolate=False)
        keys |= {key: value for key, value in values.items() if value is not None}
    return Service(
        name=name,
        image=entry["image"],
        command=tuple(str(word) for word in entry["command"]),
        environment={key: str(value) for key, value in entry.get("environment", {}).items()},
        keys=keys,
        secrets=tuple(entry.get("secrets", [])),
        health=tuple(check[1:]),
        after=tuple(entry.get("depends_on", {})),
        profiles=tuple(entry.get("profiles", [])),
        restarts=entry["restart"] == "unless-stopped",
        stop_signal=entry.get("stop_signal", "SIGTERM").removeprefix("SIG"),
        stop_seconds=int(entry.get("stop_grace_period", "10s").removesuffix("s")),
    )
