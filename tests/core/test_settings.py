"""Every variable that the code reads is in the one list, and every one in the list is read."""

import re
from pathlib import Path

from ifrl_core.settings import VARIABLES

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
