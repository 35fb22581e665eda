"""The real thing, tiny: trl's GRPO on the embedded model, killed and resumed."""

import random
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

from ifrl_core.artifacts import ArtifactRef, ArtifactStore
from ifrl_core.config import (
    CurriculumConfig,
    GeneralConfig,
    InstructionsConfig,
    LadderConfig,
    LaunchConfig,
    PipelineConfig,
    PolicyConfig,
    SeedsConfig,
)
from ifrl_core.errors import InputError, StoppedError
from ifrl_core.instructions.stage import make_instructions, make_prompts
from ifrl_core.policy.stage import train_policy
from ifrl_core.rewards.problems.stage import general_source, make_problems
from ifrl_core.seeds.stage import make_seeds, seeds_source
from ifrl_core.training.checkpoints import last_checkpoint, step_of

CONFIG = PolicyConfig(
    max_steps=3,
    prompts_per_step=2,
    generations=4,
    max_tokens=12,
    micro_batch=4,
    learning_rate=1e-4,
    beta=0,
    curriculum=CurriculumConfig(levels=((1,), (2,))),
    save_steps=1,
    launch=LaunchConfig(show_samples_every=1),
)
HARD = ("keywords:letter_frequency", "words:starting_letter", "words:avoid_starting_letter", "sentences:start_letter")
SCRIPT = """
import sys
from ifrl_core.artifacts import ArtifactRef, ArtifactStore
from ifrl_core.config import PolicyConfig
from ifrl_core.policy.stage import train_policy
config, root, *refs = sys.argv[1:]
inputs = {name: ArtifactRef.model_validate_json(ref) for name, ref in zip(("model", "prompts", "general"), refs)}
train_policy(PolicyConfig.model_validate_json(config), inputs, ArtifactStore(root))
"""


# SIGKILLs in a row: so many further checkpoints after the start, and so many seconds. Drawn anew in every run.
MOMENTS = {"corridor": [(random.randint(0, 1), random.uniform(0.0, 8.0)) for _ in range(5)]}


def kill_in_training(arguments: list[str], checkpoints: Path, moments: list[tuple[int, float]], steps: int) -> None:
    """Start the same command again and again, and kill each at its moment, at the latest before the last step."""
    print("killed at", moments)

    def saved() -> int:
        found = last_checkpoint(checkpoints)
        return step_of(found) if found else 0

    for further, seconds in moments:
        goal = min(saved() + further, steps - 1)
        victim = subprocess.Popen([sys.executable, "-c", SCRIPT, *arguments])
        while saved() < goal:
            assert victim.poll() is None
            time.sleep(0.02)
        end = time.monotonic() + seconds
        while time.monotonic() < end and saved() < steps - 1:
            time.sleep(0.02)
        assert victim.poll() is None, "it ended before it was killed"
        victim.kill()
        victim.wait()


def changed(**changes: Any) -> PolicyConfig:
    return PolicyConfig.model_validate({**CONFIG.model_dump(), **changes})


# Level 1 earns something in any step, so it is left after the first; the corridor asks all of its four prompts by the
# second step, and the third depends on what they showed.
CURRICULA = {
    "promoted": changed(curriculum={"levels": [[1], [2]], "promote_at": 1e-6, "window": 1}),
    "corridor": changed(
        curriculum={"strategy": "corridor", "levels": [[1, 2]], "low": 0.0, "high": 0.9},
        general={"ratio": 0.5},
        max_steps=6,
        trained_layers=2,
        micro_batch=8,
    ),
}


def make_inputs(
    store: ArtifactStore, model: ArtifactRef, *, types: tuple[str, ...], train: int = 4, general: bool = False
) -> dict[str, ArtifactRef]:
    seeds = make_seeds(seeds_source(SeedsConfig(train=train, held_out=2)), {}, store)
    instructions = make_instructions(InstructionsConfig(types=types, max_words=40), {"seeds": seeds}, store)
    inputs = {"model": model, "prompts": make_prompts(LadderConfig(), {"instructions": instructions}, store)}
    if general:
        source = general_source(PipelineConfig(policy=PolicyConfig(general=GeneralConfig(ratio=0.5))))
        inputs["general"] = make_problems(source, {}, store)
    return inputs


@pytest.mark.model
@pytest.mark.timeout(600)
@pytest.mark.parametrize("curriculum", CURRICULA)
def test_killed_training_goes_on_and_ends_with_the_weights_of_an_undisturbed_one(
    model: ArtifactRef, model_store: ArtifactStore, tmp_path: Path, curriculum: str
) -> None:
    config = CURRICULA[curriculum]
    steps = config.max_steps
    options: dict[str, Any] = {"types": HARD, "train": 2 if curriculum == "corridor" else 4}
    options["general"] = config.general.ratio > 0
    stores = [ArtifactStore(str(tmp_path / name)) for name in ("whole", "killed")]
    for store in stores:
        Path(store.root, "model").mkdir(parents=True)
        folder = model_store.folder("model", model.fingerprint)
        Path(store.root, "model", model.fingerprint).symlink_to(folder, target_is_directory=True)
    inputs = make_inputs(stores[0], model, **options)
    whole = train_policy(config, inputs, stores[0])

    inputs = make_inputs(stores[1], model, **options)
    scratch = stores[1].scratch("policy", train_policy.fingerprint(config, inputs, seed=0))
    arguments = [config.model_dump_json(), stores[1].root, *(ref.model_dump_json() for ref in inputs.values())]
    kill_in_training(arguments, scratch / "checkpoints", moments=MOMENTS.get(curriculum, [(1, 0.0)]), steps=steps)
    assert stores[1].find("policy", scratch.name) is None

    seen: list[int] = []
    shown: list[Any] = []

    def progress(done: int, total: int, message: str = "", *, samples: Any = (), **metrics: float) -> None:
        seen.append(done)
        shown.extend(samples)

    resumed = train_policy(config, inputs, stores[1], progress)
    assert [step for step in seen if step] == list(
        range(seen[-1] - len(set(seen)) + 2, steps + 1)
    )  # no step before the kill
    assert 1 not in seen
    if curriculum == "promoted":
        assert {row["level"] for row in shown} <= {1, 2}
        assert all(row["response"] and row["parts"] for row in shown)
        assert shown, "no sample answers were shown"

    def weights(store: ArtifactStore, ref: ArtifactRef) -> dict[str, str]:
        return {s.name: s.sha256 for s in store.manifest(ref).shards if s.name.endswith(".safetensors")}

    assert weights(stores[0], whole) == weights(stores[1], resumed)
    assert not set(weights(stores[0], whole).values()) & set(weights(model_store, model).values()), "nothing was learnt"
    table = stores[1].read_table(resumed, "metrics.parquet").to_pydict()
    assert table["step"] == list(range(1, steps + 1))
    same = stores[0].read_table(whole, "metrics.parquet").to_pydict()
    assert table["reward/total"] == same["reward/total"]
    assert table["loss"] == pytest.approx(same["loss"], abs=1e-6)
    assert table["zero_variance_share"] == same["zero_variance_share"]

    def asked(store: ArtifactStore, ref: ArtifactRef) -> list[tuple[int, str]]:
        """Every prompt of every step: a step has fewer than a table of samples keeps."""
        return [(row["step"], row["prompt_id"]) for row in store.read_table(ref, "samples.parquet").to_pylist()]

    assert asked(stores[1], resumed) == asked(stores[0], whole)
    assert {step for step, _ in asked(stores[1], resumed)} == set(range(1, steps + 1))
    if curriculum == "corridor":
        assert len([value for value in table["general/accuracy"] if value is not None]) == steps
        assert table["curriculum/unmeasured"] == [4, 3, 2, 1, 0, 0]
    else:
        assert table["level"] == [1, 2, 2]
        assert all(
            table[f"pass_rate/level/{int(level)}"][step] is not None for step, level in enumerate(table["level"])
        )


@pytest.mark.model
@pytest.mark.timeout(240)
def test_sigterm_saves_the_step_in_hand_and_the_same_command_goes_on_from_there(
    model: ArtifactRef, model_store: ArtifactStore, tmp_path: Path
) -> None:
    config = changed(save_steps=100, trained_layers=2)
    store = ArtifactStore(str(tmp_path))
    Path(store.root, "model").mkdir(parents=True)
    folder = model_store.folder("model", model.fingerprint)
    Path(store.root, "model", model.fingerprint).symlink_to(folder, target_is_directory=True)
    inputs = make_inputs(store, model, types=HARD)
    scratch = store.scratch("policy", train_policy.fingerprint(config, inputs, seed=0))

    told: list[int] = []

    def end_the_training_process(done: int, *_: object, **__: object) -> None:
        if done and not told:
            told.append(done)
            for child in psutil.Process().children(recursive=True):
                line = child.cmdline()
                if "ifrl_core.policy.process" in line and "accelerate.commands.launch" not in line:
                    child.terminate()

    with pytest.raises(
        StoppedError, match=r"asked to stop at step \d of 3. The last whole checkpoint is .*checkpoint-\d"
    ):
        train_policy(config, inputs, store, end_the_training_process)
    saved = [int(path.name.split("-")[1]) for path in (scratch / "checkpoints").glob("checkpoint-*")]
    assert saved
    assert saved[0] >= told[0]
    seen: list[int] = []
    ref = train_policy(config, inputs, store, lambda done, *_, **__: seen.append(done))
    assert [step for step in sorted(set(seen)) if step] == list(range(saved[0] + 1, 4))
    assert store.read_table(ref, "metrics.parquet").to_pydict()["step"] == [1, 2, 3]


@pytest.mark.model
def test_soft_constraints_without_a_reward_model_are_refused_before_anything_starts(
    store: ArtifactStore, model: ArtifactRef, model_store: ArtifactStore
) -> None:
    Path(store.root, "model").mkdir(parents=True)
    folder = model_store.folder("model", model.fingerprint)
    Path(store.root, "model", model.fingerprint).symlink_to(folder, target_is_directory=True)
    inputs = make_inputs(store, model, types=("tone:",))
    with pytest.raises(InputError, match="has a soft constraint and no reward model"):
        train_policy(CONFIG, inputs, store)
