"""What rollout shards run on changes nothing of what they make: threads, processes, Ray. Work pools: test_placed.py."""

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from tests.flows.workplace import REPO, Workplace
from tests.patience import PATIENCE_S

pytestmark = [pytest.mark.e2e, pytest.mark.server]

DATASET = "import sys; from flows.pipeline import dataset; dataset(recipe=sys.argv[1], overrides=sys.argv[2:])"


def digests(record: dict[str, Any]) -> dict[str, str]:
    return {label: record["refs"][label]["digest"] for label in ("rollouts", "labels")}


def run_dataset(place: Workplace, tiny: str, *overrides: str) -> str:
    command = [sys.executable, "-c", f"from ifrl_core.settings import *; configure_environment(); {DATASET}"]
    done = subprocess.run(
        [*command, tiny, *overrides], env=place.env, capture_output=True, text=True, cwd=REPO, timeout=PATIENCE_S
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.mark.parametrize("runner", ["processes", "ray"])
def test_shards_on_two_workers_make_the_same_rollouts_as_threads(
    whole_run: Workplace, workplace: Callable[..., Workplace], tiny: str, runner: str
) -> None:
    for attempt in range(5):  # on a busy machine one worker may make all shards before the other one has started
        # Read by workers of a machine with two GPUs, and seen by nothing here.
        place = workplace(f"{runner}-{attempt}", OMP_NUM_THREADS="1", CUDA_VISIBLE_DEVICES="0,1")
        said = run_dataset(place, tiny, f"execution.runner={runner}", "execution.workers=2")
        gpus = {number for number in ("0", "1") if f"has GPU {number}" in said}
        if gpus != {"0"}:
            break
    assert gpus == ({"0", "1"} if runner == "processes" else set())
    assert digests(place.record()) == digests(whole_run.records()[0])
    shards = list((place.home / "store").glob("rollouts/*/part-*.parquet"))
    assert len(shards) == 3
