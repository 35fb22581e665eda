"""The code of rules as identity: what is made anew when a type of a user's package changes, and what is not."""

import importlib
import importlib.machinery
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest

from ifrl_core.artifacts import ArtifactRef
from ifrl_core.config.recipes import build_config
from ifrl_core.constraints.catalog.registry import CATALOG
from ifrl_core.constraints.identity import rules_of
from ifrl_core.constraints.turn_types import TurnType
from ifrl_core.identity.code import digest_of_code
from ifrl_core.stages import registry

COMMON = """
def folded(text):
    return text.lower()
"""
HELPER = """
import re
from my_words import folded
WORD = re.compile("tea")
UNUSED = 1

def mentions(text):
    '''How often.'''
    return len(WORD.findall(folded(text)))
"""
TYPES = """
from ifrl_core.constraints.extension import constraint_type
from ifrl_core.constraints.verifiers.arguments import Integer
from ifrl_core.constraints.verifiers.view import View
from . import helper

def sip(draft, args):
    draft.phrases += ["tea"] * args["count"]

@constraint_type("my:tea", description="Tea.", wordings=("Mention tea {count} times.",),
                 arguments={"count": Integer(1, 9, "mentions")}, draw=lambda draw: {"count": 2})
def tea(view: View, count: int) -> bool:
    return helper.mentions(view.lower) >= count

@constraint_type("my:coffee", description="Coffee.", wordings=("Mention coffee.",))
def coffee(view: View) -> bool:
    return "coffee" in view.lower
"""
JUDGES = {"pass-rates", "labels", "policy", "evaluation-before", "evaluation-after"}
Edit = tuple[str, str]
Import = Callable[..., None]


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Import]:
    """Installs the package with some texts replaced, as the next process would find it."""
    monkeypatch.syspath_prepend(str(tmp_path))
    before, folder = dict(CATALOG), tmp_path / "my_types"
    folder.mkdir()

    def forget() -> None:
        for name in [name for name in sys.modules if name.partition(".")[0] in ("my_types", "my_words")]:
            del sys.modules[name]
        CATALOG.clear()
        CATALOG.update(before)

    def install(*edits: Edit) -> None:
        forget()
        (tmp_path / "my_words.py").write_text(COMMON.replace(*edits[0]) if edits else COMMON)
        for name, text in (("__init__", ""), ("helper", HELPER), ("types", TYPES)):
            for old, new in edits:
                text = text.replace(old, new)
            (folder / f"{name}.py").write_text(text)
        importlib.invalidate_caches()
        monkeypatch.setattr(sys, "dont_write_bytecode", True)
        importlib.import_module("my_types.types")

    yield install
    forget()


def fingerprints(*types: str) -> dict[str, str]:
    """Of every stage by label, given the same inputs."""
    config = build_config({"instructions": {"types": list(types)}, "ladder": {"order": "easy_to_hard"}})
    ref = ArtifactRef(uri="/x", stage="x", fingerprint="0" * 64, digest="0" * 64, rows=1)
    refs = {stage.output: ref for stage in registry.stages()}
    return {
        stage.label: stage.fingerprint(chosen, stage.inputs_of(config, refs), seed=0)
        for stage in registry.stages()
        if stage.label not in ("seeds", "model", "report") and (chosen := stage.config(config)) is not None
    }


def changed(before: dict[str, str], after: dict[str, str]) -> set[str]:
    return {label for label in before if before[label] != after[label]}


USED = ("my:tea", "tone:")


@pytest.mark.parametrize(
    ("edit", "stages"),
    [
        (("view.lower) >= count", "view.lower) > count"), JUDGES),  # the verifier
        (('compile("tea")', 'compile("teas?")'), JUDGES),  # a constant of a module that it uses
        (("return len(WORD", "return -len(WORD"), JUDGES),  # a function of it
        (("text.lower()", "text.casefold()"), JUDGES),  # a module of the user's beside the package
        (('return "coffee" in', 'return "Coffee" in'), set()),  # a type that is not in use
        (("UNUSED = 1", "UNUSED = 2"), set()),
        (("'''How often.'''", "# how often"), set()),
        (("def tea(view: View, count: int) -> bool:", "def tea(view: View,\n        count: int) -> bool:  # why"), set()),
        (('{"count": 2}', '{"count": 3}'), {"instructions", "pass-rates"}),  # what it draws
        (("Integer(1, 9", "Integer(1, 8"), JUDGES | {"instructions"}),  # what it takes
    ],
)  # fmt: skip
def test_what_an_edit_of_a_users_package_makes_anew(package: Import, edit: Edit, stages: set[str]) -> None:
    package()
    before = fingerprints(*USED)
    package(edit)
    assert changed(before, fingerprints(*USED)) == stages


def test_a_verifier_judges_witnesses_too_where_its_type_has_one(package: Import) -> None:
    witness = ('draw=lambda draw: {"count": 2})', 'draw=lambda draw: {"count": 2}, witness=sip)')
    package(witness)
    before = fingerprints(*USED)
    package(witness, ("view.lower) >= count", "view.lower) > count"))
    assert changed(before, fingerprints(*USED)) == JUDGES | {"instructions"}


def test_a_recipe_that_names_no_types_may_use_all(package: Import) -> None:
    package()
    before = fingerprints()
    package(('return "coffee" in', 'return "Coffee" in'))
    assert changed(before, fingerprints()) == JUDGES
    plain = [type_ for type_ in CATALOG.values() if not isinstance(type_, TurnType)]
    assert len(rules_of(None)) == 1 + sum(type_.rule is not None for type_ in plain)


def at_least(least: int) -> Callable[[str], bool]:
    def check(text: str) -> bool:
        return len(text) >= least

    return check


def test_what_a_function_has_closed_over_counts_and_one_without_source_has_a_digest_too() -> None:
    assert digest_of_code(at_least(1)) == digest_of_code(at_least(1)) != digest_of_code(at_least(2))
    known: dict[str, Callable[[str], bool]] = {}
    for number in (1, 1, 2):
        exec(f"def check(text): return len(text) > {number}", {"__name__": "nowhere"}, known)
        known[f"of {len(known)}"] = known.pop("check")
    digests = [digest_of_code(check) for check in known.values()]
    assert digests[0] == digests[1] != digests[2]
    assert digest_of_code(str.lower) != digest_of_code(str.upper)


def test_a_library_may_name_its_folders_as_paths(monkeypatch: pytest.MonkeyPatch) -> None:
    library = ModuleType("odd_library")
    spec = importlib.machinery.ModuleSpec("odd_library", None, is_package=True)
    spec.submodule_search_locations = [Path("/nowhere")]  # type: ignore[list-item]
    library.__spec__ = spec
    monkeypatch.setitem(sys.modules, "odd_library", library)

    def using(text: str) -> str:
        import odd_library  # type: ignore[import-not-found]

        return str(odd_library.said(text))

    assert len(digest_of_code(using)) == 64
