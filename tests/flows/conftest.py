"""Workplaces for tests that run `ifrl` as a user does, and one run that many of them look at."""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.flows.workplace import Workplace

NewWorkplace = Callable[..., Workplace]


@contextmanager
def workplaces(
    factory: pytest.TempPathFactory, prefect: dict[str, str], new_mlflow: Callable[[Path], str]
) -> Iterator[NewWorkplace]:
    """A maker of workplaces with nothing but the tables of an empty MLflow, which are removed together. Their runs report
    to `prefect`, unless they say otherwise."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("PREFECT_", "MLFLOW_", "IFRL_"))}
    folders: list[Path] = []

    def make(name: str, *, own_server: bool = False, **env: str) -> Workplace:
        folders.append(factory.mktemp(name))
        home = folders[-1] / "home"
        if not own_server:  # which is of a machine with nothing on it
            new_mlflow(home / "mlflow.db")
        api = {} if own_server else {"PREFECT_API_URL": prefect["PREFECT_API_URL"]}
        return Workplace(home, {**kept, **api, "IFRL_HOME": str(home), "IFRL_CACHE": str(home / "cache"), **env})

    yield make
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def workplace(
    prefect: dict[str, str], tmp_path_factory: pytest.TempPathFactory, fresh_mlflow: Callable[[Path], str]
) -> Iterator[NewWorkplace]:
    with workplaces(tmp_path_factory, prefect, fresh_mlflow) as make:
        yield make


@pytest.fixture(scope="session")
def whole_run(
    prefect: dict[str, str],
    tmp_path_factory: pytest.TempPathFactory,
    tiny: str,
    ifeval: tuple[str, ...],
    fresh_mlflow: Callable[[Path], str],
) -> Iterator[Workplace]:
    """A workplace whose first run is the tiny recipe with IFEval, from nothing to its report; `stdout` lies there."""
    with workplaces(tmp_path_factory, prefect, fresh_mlflow) as make:
        place = make("whole-run")
        done = place.run("run", tiny, *ifeval)
        assert done.returncode == 0, done.stdout + done.stderr
        (place.home / "stdout").write_text(done.stdout)
        yield place


@pytest.fixture(scope="session")
def ifeval(shared: Path) -> tuple[str, ...]:
    return ("--set", f"evaluation.ifeval_path={shared / 'ifeval_input_data.jsonl'}")
