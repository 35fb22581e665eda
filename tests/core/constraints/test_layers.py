"""Imports among the constraints point one way, as the package says: read from the source, late imports included."""

import ast
from pathlib import Path

import pytest

from ifrl_core import constraints

FOLDER = Path(constraints.__file__).parent
PACKAGE = "ifrl_core.constraints"
VERIFIERS, WITNESS = f"{PACKAGE}.verifiers", f"{PACKAGE}.witness"
PLAIN = ("ifrl_core.errors", "ifrl_core.records")
STAGES = ("ifrl_core.artifacts", "ifrl_core.config", "ifrl_core.identity")  # below constraints
RULES = tuple(f"{PACKAGE}.catalog.hard.{path.stem}" for path in (FOLDER / "catalog" / "hard").glob("*_rules.py"))


def imported(path: Path) -> set[str]:
    """Modules of ours that a file imports."""
    nodes = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
    names = {node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)}
    return {name for name in names if name.startswith(("ifrl_core", "flows", "tasks"))}


@pytest.mark.parametrize(
    ("pattern", "allowed"),
    [
        ("verifiers/*.py", (VERIFIERS, *PLAIN)),
        ("witness/*.py", (VERIFIERS, WITNESS, *PLAIN)),
        ("catalog/hard/*_rules.py", (VERIFIERS, *RULES, *PLAIN)),
        ("**/*.py", (PACKAGE, *PLAIN, "ifrl_core.row_files", "ifrl_core.text.reasoning")),
        ("identity.py", (PACKAGE, *STAGES)),  # what types say and do, as the content of stages
    ],
)
def test_a_module_imports_nothing_above_it(pattern: str, allowed: tuple[str, ...]) -> None:
    paths = sorted(path for path in FOLDER.glob(pattern) if path.name != "identity.py" or pattern == "identity.py")
    assert paths
    for path in paths:
        above = {name for name in imported(path) if not name.startswith(allowed)}
        assert not above, f"{path.relative_to(FOLDER)} imports {above}"
