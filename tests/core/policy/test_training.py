"""The real thing, tiny: trl's GRPO on a random model, killed and resumed."""

from pathlib import Path
from typing import Any

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
from ifrl_core.errors import InputError
from ifrl_core.instructions.stage import make_instructions, make_prompts
from ifrl_core.policy.stage import train_policy
from ifrl_core.rewards.problems.stage import general_source, make_problems
from ifrl_core.seeds.stage import make_seeds, seeds_source
from tests.core.forked import killed_at

pytestmark = pytest.mark.usefixtures("forked")

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
        trained_layers=1,
        micro_batch=8,
    ),
}
# SIGKILLs in a row, each at the sight of a file of a checkpoint: its last one, or one in the middle of it.
DEADLY = {
    "promoted": ("checkpoint-1/trainer_state.json",),
    "corridor": ("checkpoint-1/trainer_state.json", "checkpoint-3/optimizer.pt"),
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


def own_store(folder: Path, model: ArtifactRef, models: ArtifactStore) -> ArtifactStore:
    """A store in `folder` with the model and nothing else."""
    (folder / "model").mkdir(parents=True)
    (folder / "model" / model.fingerprint).symlink_to(
        models.folder("model", model.fingerprint), target_is_directory=True
    )
    return ArtifactStore(str(folder))


def curriculum_inputs(store: ArtifactStore, model: ArtifactRef, curriculum: str) -> dict[str, ArtifactRef]:
    few, general = curriculum == "corridor", CURRICULA[curriculum].general.ratio > 0
    return make_inputs(store, model, types=HARD, train=2 if few else 4, general=general)


def assert_same_policy(one: ArtifactStore, first: ArtifactRef, other: ArtifactStore, second: ArtifactRef) -> None:
    """Weights, figures of every step, and every prompt that was asked (a step has fewer than a table of samples keeps)."""
    assert weights(one, first) == weights(other, second)
    ours, theirs = (store.read_table(ref, "metrics.parquet") for store, ref in ((one, first), (other, second)))
    assert ours["step"].to_pylist() == list(range(1, ours.num_rows + 1))
    for name in ("step", "reward/total", "zero_variance_share"):
        assert ours[name] == theirs[name], name
    assert ours["loss"].to_pylist() == pytest.approx(theirs["loss"].to_pylist(), abs=1e-6)
    assert prompts_of(one, first) == prompts_of(other, second)
    if ours.num_rows <= 8:
        assert {step for step, _ in prompts_of(one, first)} == set(range(1, ours.num_rows + 1))


def weights(store: ArtifactStore, ref: ArtifactRef) -> dict[str, str]:
    return {shard.name: shard.sha256 for shard in store.manifest(ref).shards if shard.name.endswith(".safetensors")}


def prompts_of(store: ArtifactStore, ref: ArtifactRef) -> list[tuple[int, str]]:
    return [(row["step"], row["prompt_id"]) for row in store.read_table(ref, "samples.parquet").to_pylist()]


@pytest.mark.model
@pytest.mark.parametrize("curriculum", CURRICULA)
def test_killed_training_goes_on_and_ends_with_the_weights_of_an_undisturbed_one(
    tiny_model: ArtifactRef, model_store: ArtifactStore, tmp_path: Path, curriculum: str
) -> None:
    config = CURRICULA[curriculum]
    steps = config.max_steps
    undisturbed, killed = (own_store(tmp_path / name, tiny_model, model_store) for name in ("whole", "killed"))
    whole = train_policy(config, curriculum_inputs(undisturbed, tiny_model, curriculum), undisturbed)

    inputs = curriculum_inputs(killed, tiny_model, curriculum)
    scratch = killed.scratch("policy", train_policy.fingerprint(config, inputs, seed=0))
    for file in DEADLY[curriculum]:
        with killed_at(scratch / "checkpoints" / file):
            train_policy(config, inputs, killed)
    assert killed.find("policy", scratch.name) is None

    seen: list[int] = []
    shown: list[Any] = []

    def progress(done: int, total: int, message: str = "", *, samples: Any = (), **metrics: float) -> None:
        seen.append(done)
        shown.extend(samples)

    resumed = train_policy(config, inputs, killed, progress)
    reported = [step for step in seen if step]
    assert reported == list(range(reported[0], steps + 1))
    assert reported[0] > 1, "a step before the kill was made again"
    assert_same_policy(undisturbed, whole, killed, resumed)
    assert not {*weights(undisturbed, whole).values()} & {*weights(model_store, tiny_model).values()}, (
        "nothing was learnt"
    )
    table = killed.read_table(resumed, "metrics.parquet").to_pydict()
    if curriculum == "corridor":
        assert len([value for value in table["general/accuracy"] if value is not None]) == steps
        assert table["curriculum/unmeasured"] == [4, 3, 2, 1, 0, 0]
    else:
        assert shown, "no sample answers were shown"
        assert {row["level"] for row in shown} <= {1, 2}
        assert all(row["response"] and row["parts"] for row in shown)
        assert table["level"] == [1, 2, 2]
        assert all(
            table[f"pass_rate/level/{int(level)}"][step] is not None for step, level in enumerate(table["level"])
        )


@pytest.mark.model
def test_soft_constraints_without_a_reward_model_are_refused_before_anything_starts(
    tiny_model: ArtifactRef, model_store: ArtifactStore, tmp_path: Path
) -> None:
    store = own_store(tmp_path, tiny_model, model_store)
    inputs = make_inputs(store, tiny_model, types=("tone:",))
    with pytest.raises(InputError, match="has a soft constraint and no reward model"):
        train_policy(CONFIG, inputs, store)
