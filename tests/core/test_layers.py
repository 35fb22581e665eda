"""Imports point one way: a package knows what lies below it, never what lies above, and no two modules know each other."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
# From the bottom up; of packages in one line, none knows another.
LAYERS = (
    ("ifrl_core.text", "ifrl_core.text.masking"),
    ("ifrl_core.errors", "ifrl_core.records", "ifrl_core.text.reasoning", "ifrl_core.identity"),
    ("ifrl_core.settings", "ifrl_core.text.lines", "ifrl_core.shipped"),
    ("ifrl_core.row_files",),
    ("ifrl_core.statistics",),
    ("ifrl_core.artifacts",),
    ("ifrl_core.stages",),
    ("ifrl_core.config",),
    ("ifrl_core.models", "ifrl_core.training"),
    ("ifrl_core.constraints.verifiers",),
    ("ifrl_core.tracking", "ifrl_core.plan", "ifrl_core.inference", "ifrl_core.constraints"),
    ("ifrl_core.instruments",),
    ("ifrl_core.seeds",),
    ("ifrl_core.instructions",),
    ("ifrl_core.rollouts",),
    ("ifrl_core.labels",),
    ("ifrl_core.evolving",),
    ("ifrl_core.reward_model",),
    ("ifrl_core.rewards",),
    ("ifrl_core.evaluation",),
    ("ifrl_core.policy",),
    ("ifrl_core.instructor", "ifrl_core.warm_start"),
    ("ifrl_core.promotion",),
    ("ifrl_core.report",),
    ("tasks",),
    ("flows",),
    ("flows.cli.options",),  # what command lines share
    ("deployments",),
    ("flows.cli",),
)
HEIGHT = {package: height for height, packages in enumerate(LAYERS) for package in packages}
LIBRARY_ROOT = "ifrl_core"  # its version, which anybody may read
Edges = dict[str, set[str]]


def module_of(path: Path) -> str:
    name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
    return name.removesuffix(".__init__")


SOURCES = {
    module_of(path): path
    for top in ("ifrl_core", "tasks", "flows", "deployments")
    for path in (ROOT / top).rglob("*.py")
}


def imports_of(source: str) -> Iterator[str]:
    """Modules of ours that a source names in an import: at its head, in functions and for types alike."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in SOURCES)
        elif isinstance(node, ast.ImportFrom) and node.module in SOURCES:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
            yield from {name if name in SOURCES else node.module for name in names}


def package_of(module: str) -> str:
    """The longest entry of the table that the module lies in."""
    return max((package for package in HEIGHT if f"{module}.".startswith(f"{package}.")), key=len)


def upward(edges: Edges) -> list[str]:
    """Imports of a package that does not lie below the importing one."""
    found = []
    for module, targets in edges.items():
        for target in targets - {LIBRARY_ROOT}:
            own, other = package_of(module), package_of(target)
            if own != other and HEIGHT[other] >= HEIGHT[own]:
                found.append(f"{module} -> {target}")
    return sorted(found)


def cycles(edges: Edges) -> list[set[str]]:
    """Groups of modules that reach each other (Tarjan's strongly connected components with more than one member)."""
    order: dict[str, int] = {}
    lowest: dict[str, int] = {}
    stack: list[str] = []
    groups: list[set[str]] = []

    def visit(module: str) -> None:
        order[module] = lowest[module] = len(order)
        stack.append(module)
        for target in sorted(edges.get(module, ())):
            if target not in order:
                visit(target)
                lowest[module] = min(lowest[module], lowest[target])
            elif target in stack:
                lowest[module] = min(lowest[module], order[target])
        if lowest[module] == order[module]:
            place = stack.index(module)
            group = set(stack[place:])
            del stack[place:]
            if len(group) > 1:
                groups.append(group)

    for module in sorted(edges):
        if module not in order:
            visit(module)
    return groups


EDGES: Edges = {module: set(imports_of(path.read_text())) - {module} for module, path in SOURCES.items()}


def test_every_module_has_its_layer() -> None:
    assert {module for module in SOURCES if module != LIBRARY_ROOT} == {
        module for module in SOURCES if any(f"{module}.".startswith(f"{package}.") for package in HEIGHT)
    }


def test_no_module_imports_upwards() -> None:
    assert upward(EDGES) == []


def test_no_two_modules_import_each_other() -> None:
    assert cycles(EDGES) == []


def test_a_rule_knows_what_verifiers_share_and_other_rules_but_no_catalog() -> None:
    rules = {module for module in SOURCES if module.startswith("ifrl_core.constraints.") and module.endswith("_rules")}
    assert rules
    for rule in rules:
        ours = {target for target in EDGES[rule] if package_of(target) == "ifrl_core.constraints"}
        assert ours <= rules


AUDITING = ("ifrl_core.instruments", "ifrl_core.evaluation", "ifrl_core.report")


def test_no_training_asks_an_instrument() -> None:
    """What a policy is trained on, or a reward model learns from, it learns to please: then it measures nothing more."""
    asking = {module for module, targets in EDGES.items() for t in targets if package_of(t) == "ifrl_core.instruments"}
    assert {module for module in asking if not module.startswith(AUDITING)} == set()


@pytest.mark.parametrize("hidden", ["", "def f() -> None:\n    ", "if TYPE_CHECKING:\n    "])
def test_an_import_upwards_is_seen_wherever_it_hides(hidden: str) -> None:
    edges = {"ifrl_core.seeds.read": set(imports_of(f"{hidden}from ifrl_core.report import stage"))}
    assert upward(edges) == ["ifrl_core.seeds.read -> ifrl_core.report.stage"]
    edges = {"ifrl_core.labels.rounds": set(imports_of(f"{hidden}import ifrl_core.labels.stage"))}
    assert upward(edges) == []
    assert cycles(edges | {"ifrl_core.labels.stage": {"ifrl_core.labels.rounds"}}) == [
        {"ifrl_core.labels.rounds", "ifrl_core.labels.stage"}
    ]
