"""A forked command is to a test what a process is."""

import os
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from ifrl_core.training.child import run_child
from ifrl_core.training.job import LOG
from tests.flows.forked import call_forked
from tests.forks import PRELOADED
from tests.patience import PATIENCE_S

pytestmark = pytest.mark.model  # torch and MLflow are imported


def probe(argument: str, code: str) -> None:
    print(argument, sorted(os.environ), "torch" in sys.modules)
    print("told", file=sys.stderr)
    sys.exit(int(code))


def broken() -> None:
    raise RuntimeError("out of milk")


def test_it_has_its_own_environment_output_and_exit_code() -> None:
    done = call_forked(probe, ["said", "3"], {"HOME": str(Path.home())}, timeout_s=PATIENCE_S)
    assert (done.returncode, done.stdout, done.stderr) == (3, "said ['HOME'] True\n", "told\n")
    failed = call_forked(broken, [], {}, timeout_s=PATIENCE_S)
    assert failed.returncode == 1
    assert failed.stderr.endswith("RuntimeError: out of milk\n")


def trains(folder: str) -> None:
    print(os.getppid())
    run_child([sys.executable, "-m", __name__, folder], folder=Path(folder), what="toy")


def test_its_trainings_are_forked_from_where_it_was(tmp_path: Path) -> None:
    done = call_forked(trains, [str(tmp_path)], dict(os.environ), timeout_s=PATIENCE_S)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / LOG).read_text() == done.stdout, "a process of its own, or of a server of its own"


def lacks(*modules: str) -> None:
    print([name for name in modules if name not in sys.modules])


def test_all_that_is_to_be_preloaded_is_there() -> None:
    """The fork server passes over a module that it cannot import."""
    assert all(find_spec(name) for name in PRELOADED)
    done = call_forked(lacks, PRELOADED, dict(os.environ), timeout_s=PATIENCE_S)
    assert (done.returncode, done.stdout) == (0, "[]\n"), done.stderr


if __name__ == "__main__":  # the training of `trains`
    print(os.getppid())
