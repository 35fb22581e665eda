"""Constraint types of a user's package."""

import importlib
import random
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ifrl_core.constraints import extension
from ifrl_core.constraints.catalog.registry import CATALOG
from ifrl_core.constraints.sampling import sample_constraints
from ifrl_core.constraints.satisfy import witness_of
from ifrl_core.constraints.verdict import verify
from ifrl_core.constraints.verifiers.view import View
from ifrl_core.errors import ConstraintError

DOCS = Path(__file__).parents[3] / "docs" / "extending.md"


@pytest.fixture
def clean_catalog() -> Iterator[None]:
    types = dict(CATALOG)
    extension.load_extensions.cache_clear()
    yield
    CATALOG.clear()
    CATALOG.update(types)
    extension.load_extensions.cache_clear()


def _documented_package(folder: Path, code: str) -> None:
    """An installed package, as far as Python can tell, that holds the code and the entry point."""
    (folder / "tea_package").mkdir()
    (folder / "tea_package" / "__init__.py").write_text("", encoding="utf-8")
    (folder / "tea_package" / "constraints.py").write_text(code, encoding="utf-8")
    info = folder / "tea_package-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: tea-package\nVersion: 1.0\n", encoding="utf-8")
    (info / "entry_points.txt").write_text("[ifrl.constraints]\ntea = tea_package.constraints\n", encoding="utf-8")


def test_the_documented_package_is_found_through_its_entry_point(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clean_catalog: None
) -> None:
    blocks = DOCS.read_text(encoding="utf-8").split("```python\n")[1:]
    _documented_package(tmp_path, "\n".join(block.split("```")[0] for block in blocks))
    monkeypatch.syspath_prepend(str(tmp_path))
    importlib.invalidate_caches()
    try:
        assert extension.load_extensions() == ("my:mood", "my:tea")
    finally:
        sys.modules.pop("tea_package.constraints", None)
        sys.modules.pop("tea_package", None)
    tea = CATALOG["my:tea"].constraint({"count": 2})
    assert tea.text == "Mention tea at least 2 times."
    assert verify("my:tea", tea.args, View("Tea, and more tea."))
    assert witness_of([tea, CATALOG["punctuation:no_comma"].constraint({})]) is not None
    assert {c.type for c in sample_constraints("Hi.", 2, random.Random(0), types=["my:"])} == {"my:tea", "my:mood"}
    with pytest.raises(ConstraintError, match="my:tea: argument 'count' is 11"):
        CATALOG["my:tea"].constraint({"count": 11})


def test_a_package_that_cannot_be_imported_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clean_catalog: None
) -> None:
    _documented_package(tmp_path, "raise RuntimeError('no tea')")
    monkeypatch.syspath_prepend(str(tmp_path))
    importlib.invalidate_caches()
    with pytest.raises(ConstraintError, match=r"tea_package\.constraints.*no tea"):
        extension.load_extensions()
    sys.modules.pop("tea_package", None)


def test_an_id_that_is_taken_or_has_no_family_is_refused(clean_catalog: None) -> None:
    with pytest.raises(ConstraintError, match="exists already"):
        extension.register(CATALOG["tone:tone"])
    with pytest.raises(ConstraintError, match="family:name"):
        extension.constraint_type("tea", description="d", wordings=("w",))(lambda view: True)
