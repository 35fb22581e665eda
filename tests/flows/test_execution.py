"""What rollout shards run on changes nothing of what they make: threads, processes, Ray. Work pools: test_placed.py."""

import subprocess
import sys
from collections.abc import Callable

import pytest

from tests.flows.workplace import REPO, TINY, Workplace

pytestmark = [pytest.mark.e2e, pytest.mark.server]

DATASET = "import sys; from flows.pipeline import dataset; dataset(recipe=sys.argv[1], overrides=sys.argv[2:])"


def digest(place: Workplace, label: str) -> str:
    return str(place.record()["refs"][label]["digest"])


def run_dataset(place: Workplace, *overrides: str) -> None:
    command = [sys.executable, "-c", f"from ifrl_core.settings import *; configure_environment(); {DATASET}"]
    done = subprocess.run(
        [*command, TINY, *overrides], env=place.env, capture_output=True, text=True, cwd=REPO, timeout=600
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def in_threads(workplace: Callable[..., Workplace]) -> Workplace:
    place = workplace("threads")
    run_dataset(place)
    return place


@pytest.mark.parametrize("runner", ["processes", "ray"])
def test_shards_on_two_workers_make_the_same_rollouts(
    in_threads: Workplace, workplace: Callable[..., Workplace], runner: str
) -> None:
    place = workplace(runner, OMP_NUM_THREADS="1")
    run_dataset(place, f"execution.runner={runner}", "execution.workers=2")
    assert digest(place, "rollouts") == digest(in_threads, "rollouts")
    assert digest(place, "labels") == digest(in_threads, "labels")
    shards = list((place.home / "store").glob("rollouts/*/part-*.parquet"))
    assert len(shards) == 3
