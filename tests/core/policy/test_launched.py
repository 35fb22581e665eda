"""The stage as users run it, with its training in a process of its own: ended together at any moment, it goes on."""

import os
import random
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from ifrl_core.artifacts import ArtifactRef, ArtifactStore
from ifrl_core.config import PolicyConfig
from ifrl_core.errors import StoppedError
from ifrl_core.policy.stage import train_policy
from ifrl_core.training.checkpoints import last_checkpoint, step_of
from tests.core.forked import forked_trainings
from tests.core.policy.test_training import (
    CURRICULA,
    HARD,
    assert_same_policy,
    changed,
    curriculum_inputs,
    make_inputs,
    own_store,
)
from tests.patience import PATIENCE_S

SCRIPT = """
import sys
from ifrl_core.artifacts import ArtifactRef, ArtifactStore
from ifrl_core.config import PolicyConfig
from ifrl_core.policy.stage import train_policy
config, root, *refs = sys.argv[1:]
inputs = {name: ArtifactRef.model_validate_json(ref) for name, ref in zip(("model", "prompts", "general"), refs)}
train_policy(PolicyConfig.model_validate_json(config), inputs, ArtifactStore(root))
"""


def saved(checkpoints: Path) -> int:
    """The step of the last whole checkpoint."""
    newest = last_checkpoint(checkpoints)
    return step_of(newest) if newest else 0


def kill_in_training(arguments: list[str], checkpoints: Path, moments: list[tuple[int, float]], steps: int) -> None:
    """Start the same command again and again, and kill each after so many further checkpoints and so many seconds, at the
    latest before the last step."""
    print("killed at", moments)
    for further, seconds in moments:
        goal = min(saved(checkpoints) + further, steps - 1)
        victim = subprocess.Popen([sys.executable, "-c", SCRIPT, *arguments])
        while saved(checkpoints) < goal:
            assert victim.poll() is None
            time.sleep(0.01)
        end = time.monotonic() + seconds
        while time.monotonic() < end and saved(checkpoints) < steps - 1:
            time.sleep(0.01)
        assert victim.poll() is None, "it ended before it was killed"
        training = psutil.Process(victim.pid).children(recursive=True)
        victim.kill()
        victim.wait()
        _, alive = psutil.wait_procs(training, timeout=PATIENCE_S)
        assert alive == [], "it outlived its stage"


def assert_kills_change_nothing(
    config: PolicyConfig, curriculum: str, model: ArtifactRef, models: ArtifactStore, folder: Path, kills: int
) -> None:
    """Stage and training process are killed by SIGKILL at random, `kills` times in a row, and then left in peace."""
    draw = random.Random(int(os.environ.get("IFRL_SOAK_SEED", "0")))
    moments = [
        (draw.randint(0, 1) if kills > 1 else 1, draw.uniform(0.0, 6.0) if kills > 1 else 0) for _ in range(kills)
    ]
    killed = own_store(folder / "killed", model, models)
    inputs = curriculum_inputs(killed, model, curriculum)
    scratch = killed.scratch("policy", train_policy.fingerprint(config, inputs, seed=0))
    arguments = [config.model_dump_json(), killed.root, *(ref.model_dump_json() for ref in inputs.values())]
    kill_in_training(arguments, scratch / "checkpoints", moments, config.max_steps)
    assert killed.find("policy", scratch.name) is None
    undisturbed = own_store(folder / "whole", model, models)
    with forked_trainings():
        whole = train_policy(config, curriculum_inputs(undisturbed, model, curriculum), undisturbed)
        resumed = train_policy(config, inputs, killed)
    assert_same_policy(undisturbed, whole, killed, resumed)


@pytest.mark.model
@pytest.mark.timeout(1_200)
def test_killed_with_its_stage_it_goes_on(tiny_model: ArtifactRef, model_store: ArtifactStore, tmp_path: Path) -> None:
    config = CURRICULA["promoted"].model_copy(update={"max_steps": 8})  # time to kill it in
    assert_kills_change_nothing(config, "promoted", tiny_model, model_store, tmp_path, kills=1)


@pytest.mark.soak
@pytest.mark.model
@pytest.mark.timeout(1_200)
@pytest.mark.parametrize("curriculum", CURRICULA)
def test_killed_with_its_stage_five_times_at_random_it_goes_on(
    small_model: ArtifactRef, model_store: ArtifactStore, tmp_path: Path, curriculum: str
) -> None:
    config = CURRICULA[curriculum].model_copy(update={"max_steps": 12})
    assert_kills_change_nothing(config, curriculum, small_model, model_store, tmp_path, kills=5)


@pytest.mark.model
@pytest.mark.timeout(1_200)
def test_sigterm_saves_the_step_in_hand_and_the_same_command_goes_on_from_there(
    tiny_model: ArtifactRef, model_store: ArtifactStore, tmp_path: Path
) -> None:
    config = changed(save_steps=100, max_steps=16)
    store = own_store(tmp_path, tiny_model, model_store)
    inputs = make_inputs(store, tiny_model, types=HARD)
    scratch = store.scratch("policy", train_policy.fingerprint(config, inputs, seed=0))

    told: list[int] = []

    def end_the_training_process(done: int, *_: object, **__: object) -> None:
        if done and not told:
            told.append(done)
            (process,) = (
                child for child in psutil.Process().children() if "ifrl_core.policy.process" in child.cmdline()
            )
            process.terminate()

    with pytest.raises(
        StoppedError, match=r"asked to stop at step \d+ of 16. The last whole checkpoint is .*checkpoint-\d"
    ):
        train_policy(config, inputs, store, end_the_training_process)
    step = saved(scratch / "checkpoints")
    assert step >= told[0]
    seen: list[int] = []
    with forked_trainings():
        ref = train_policy(config, inputs, store, lambda done, *_, **__: seen.append(done))
    assert [done for done in sorted(set(seen)) if done] == list(range(step + 1, 17))
    assert store.read_table(ref, "metrics.parquet").to_pydict()["step"] == list(range(1, 17))
