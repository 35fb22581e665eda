"""What the documents and docstrings point to is there."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import typer

from flows.cli.main import app
from ifrl_core.config import PipelineConfig
from tests.core.stages.test_identity import fields_of

ROOT = Path(__file__).parents[1]
FOLDERS = ("ifrl_core", "tasks", "flows", "deployments", "docker", "tests", "benchmarks", "docs")
PATHS = re.compile(rf"(?<![\w./-])((?:{'|'.join(FOLDERS)})/[\w./-]*\w(?:\.\w+)?/?)")

DATA = "ifrl_core/data/README.md"
PAGES = [
    "README.md",
    *(f"{folder}/{path.name}" for folder in ("docs", "benchmarks") for path in (ROOT / folder).glob("*.md")),
]
KEY = re.compile(r"(?:`|--set )([a-z_]+(?:\.[a-z_]+)+)(?=[`:=])")
CODE = re.compile(r"```.*?```|`[^`\n]+`|^    \S[^\n]*", re.DOTALL | re.MULTILINE)
COMMAND = re.compile(r"^[` ]*ifrl ([a-z]+)(?: ([a-z]+)\b)?([^`#|\n]*)", re.MULTILINE)
NO_KEYS = {"ladder.rungs", "model.generate"}  # functions
OF_LIBRARIES = ("trainer/grpo_config.py", "trainer/base_config.py", "training_args.py")


@pytest.mark.parametrize("page", [DATA, *(page for page in PAGES if not page.startswith("benchmarks/"))])
def test_paths_in_the_documents_exist(page: str) -> None:
    paths = {path.rstrip("/") for path in PATHS.findall((ROOT / page).read_text(encoding="utf-8"))}
    made_by_users = {line.strip("/") for line in (ROOT / ".gitignore").read_text(encoding="utf-8").splitlines()}
    assert not [path for path in sorted(paths - made_by_users) if not (ROOT / path).exists()]


def test_modules_that_docstrings_and_comments_name_exist() -> None:
    gone = []
    for folder in FOLDERS[:4]:
        for path in (ROOT / folder).rglob("*.py"):
            for name in re.findall(r"(?<![\w./-])(\w+(?:/\w+)*\.py)\b", path.read_text(encoding="utf-8")):
                places = (*path.parents, ROOT / "ifrl_core", ROOT / "tests")
                if name not in OF_LIBRARIES and not any((place / name).exists() for place in places):
                    gone.append(f"{path.relative_to(ROOT)}: {name}")
    assert not gone


def commands(group: Any, *words: str) -> Iterator[tuple[tuple[str, ...], set[str]]]:
    """Words and options of each command of `ifrl`."""
    if not hasattr(group, "commands"):
        yield words, {"--help", *(option for given in group.params for option in (*given.opts, *given.secondary_opts))}
        return
    for name, command in group.commands.items():
        yield from commands(command, *words, name)


@pytest.fixture(scope="module")
def options() -> Mapping[tuple[str, ...], set[str]]:
    return dict(commands(typer.main.get_command(app)))


@pytest.mark.parametrize("page", PAGES)
def test_commands_options_and_keys_in_the_documents_exist(
    page: str, options: Mapping[tuple[str, ...], set[str]]
) -> None:
    text, gone = (ROOT / page).read_text(encoding="utf-8"), []
    for first, second, rest in COMMAND.findall("\n".join(CODE.findall(text))):
        known = options.get((first,), options.get((first, second)))
        if known is None:
            gone.append(f"ifrl {first} {second}")
        else:
            gone += [option for option in re.findall(r"(?<![\w-])--[a-z][a-z-]*", rest) if option not in known]
    fields = set(fields_of(PipelineConfig))
    known_keys = {field[: match.start()] for field in fields for match in re.finditer(r"\.|$", field)}
    sections = {key.partition(".")[0] for key in known_keys}
    keys = {key for key in KEY.findall(text) if key.partition(".")[0] in sections}
    assert not [*gone, *sorted(keys - known_keys - NO_KEYS)]
