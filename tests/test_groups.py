"""Tests that share a server or a run stay in one process."""

import os
import re
import subprocess
import sys
from pathlib import Path

from tests.groups import SHARING, group_of

ROOT = Path(__file__).parents[1]


def test_files_of_groups_exist_and_a_file_is_a_group_otherwise() -> None:
    for group, files in SHARING.items():
        for file in files:
            assert (ROOT / "tests" / f"{file}.py").exists()
            assert group_of(f"tests/{file}.py::test_x[a::b]") == group
    assert group_of("tests/core/test_layers.py::test_x") == "tests/core/test_layers.py"


def test_the_tests_of_a_file_meet_in_one_process(tmp_path: Path) -> None:
    for name in "abc":
        body = "".join(f"def test_{n}(worker_id): print('{name}', worker_id)\n" for n in range(6))
        (tmp_path / f"test_{name}.py").write_text(body)
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-p",
        "xdist",
        "-p",
        "tests.groups",
        "-n",
        "2",
        "-v",
        "--rootdir",
        str(tmp_path),
        str(tmp_path),
    ]
    env = {**os.environ, "PYTHONPATH": str(ROOT), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=env)
    ran = re.findall(r"\[(gw\d)\].* PASSED test_(\w)\.py", done.stdout)
    assert len(ran) == 18, done.stdout
    assert len(set(ran)) == 3, "a file's tests ran in two processes"
