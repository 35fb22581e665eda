"""Data that ships with ifrl, by name: `builtin:math` is ifrl_core/data/math.jsonl."""

from collections.abc import Sequence
from importlib import resources
from pathlib import Path

from ifrl_core.errors import InputError

BUILTIN = "builtin:"
SEEDS = ("seeds", "conversations", "tools")
PROBLEMS = ("math", "science")


def shipped_file(source: str, names: Sequence[str], field: str) -> Path:
    """The file of `builtin:NAME`, which has to be one of `names`; `field` of the config says so.

    Raises:
        InputError: for another name.
    """
    name = source.removeprefix(BUILTIN)
    if name not in names:
        known = [f"{BUILTIN}{each}" for each in names]
        raise InputError(f"{field}: there is no {source}; built in are {', '.join(known[:-1])} and {known[-1]}")
    return Path(str(resources.files("ifrl_core") / "data" / f"{name}.jsonl"))
