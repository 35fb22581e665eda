"""Every variable that the code reads is in the one list, and every one in the list is read."""

import re
from pathlib import Path

import pytest

from ifrl_core.errors import ConfigError
from ifrl_core.settings import VARIABLES, configure_environment, store_root

ROOT = Path(__file__).parents[2]


def test_the_list_of_variables_is_whole_and_has_none_too_many() -> None:
    named: set[str] = set()
    for folder in ("ifrl_core", "flows", "tasks"):
        for path in (ROOT / folder).rglob("*.py"):
            if path.name != "settings.py":
                named |= set(re.findall(r"IFRL_[A-Z]+(?:_[A-Z]+)*", path.read_text(encoding="utf-8")))
    settings = (ROOT / "ifrl_core" / "settings.py").read_text(encoding="utf-8")
    read_here = set(re.findall(r'environ\.get\("(IFRL_[A-Z_]+)"', settings))
    assert named | read_here == {name for name in VARIABLES if name.startswith("IFRL_")}


@pytest.mark.parametrize("name", ["a?b", "100%", "c#"])
def test_a_work_folder_that_database_urls_cannot_hold_is_refused_by_name(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IFRL_HOME", str(tmp_path / name))
    with pytest.raises(ConfigError, match="IFRL_HOME"):
        configure_environment()
    assert not (tmp_path / name).exists()


@pytest.mark.parametrize("root", ["s3:/bucket/prefix", "s3://", "s3:///prefix"])
def test_a_root_that_names_no_bucket_does_not_become_a_folder(monkeypatch: pytest.MonkeyPatch, root: str) -> None:
    monkeypatch.setenv("IFRL_ROOT", root)
    with pytest.raises(ConfigError, match="names no bucket: use s3://bucket/prefix"):
        store_root()
    for fine in ("s3://bucket/prefix", "/data/store", "memory://x"):
        monkeypatch.setenv("IFRL_ROOT", fine)
        assert store_root() == fine
