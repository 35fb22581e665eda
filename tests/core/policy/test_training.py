"""The real thing, tiny: trl's GRPO on the embedded model, killed and resumed."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

from ifrl_core.artifacts import ArtifactRef, ArtifactStore
from ifrl_core.config import CurriculumConfig, InstructionsConfig, LadderConfig, PolicyConfig, SeedsConfig
from ifrl_core.dataset import make_instructions, make_prompts, make_seeds, seeds_source
from ifrl_core.errors import InputError
from ifrl_core.policy.train import train_policy

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
)
HARD = ("keywords:letter_frequency", "words:starting_letter", "words:avoid_starting_letter", "sentences:start_letter")
SCRIPT = """
import sys
from ifrl_core.artifacts import ArtifactRef, ArtifactStore
from ifrl_core.config import PolicyConfig
from ifrl_core.policy.train import train_policy
config, root, *refs = sys.argv[1:]
inputs = {name: ArtifactRef.model_validate_json(ref) for name, ref in zip(("model", "prompts"), refs)}
train_policy(PolicyConfig.model_validate_json(config), inputs, ArtifactStore(root))
"""


def make_inputs(store: ArtifactStore, model: ArtifactRef, *, types: tuple[str, ...]) -> dict[str, ArtifactRef]:
    seeds = make_seeds(seeds_source(SeedsConfig(train=4, held_out=2)), {}, store)
    instructions = make_instructions(InstructionsConfig(types=types, max_words=40), {"seeds": seeds}, store)
    return {"model": model, "prompts": make_prompts(LadderConfig(), {"instructions": instructions}, store)}


@pytest.mark.model
@pytest.mark.timeout(240)
def test_killed_training_goes_on_and_ends_with_the_weights_of_an_undisturbed_one(
    model: ArtifactRef, model_store: ArtifactStore, tmp_path: Path
) -> None:
    stores = [ArtifactStore(str(tmp_path / name)) for name in ("whole", "killed")]
    for store in stores:
        Path(store.root, "model").mkdir(parents=True)
        folder = model_store.folder("model", model.fingerprint)
        Path(store.root, "model", model.fingerprint).symlink_to(folder, target_is_directory=True)
    inputs = make_inputs(stores[0], model, types=HARD)
    whole = train_policy(CONFIG, inputs, stores[0])

    inputs = make_inputs(stores[1], model, types=HARD)
    scratch = stores[1].scratch("policy", train_policy.fingerprint(CONFIG, inputs, seed=0))
    arguments = [CONFIG.model_dump_json(), stores[1].root, *(ref.model_dump_json() for ref in inputs.values())]
    victim = subprocess.Popen([sys.executable, "-c", SCRIPT, *arguments])
    while not (scratch / "checkpoints" / "checkpoint-1" / "trainer_state.json").exists():
        assert victim.poll() is None
        time.sleep(0.02)
    victim.kill()
    victim.wait()
    assert stores[1].find("policy", scratch.name) is None

    seen: list[int] = []
    resumed = train_policy(CONFIG, inputs, stores[1], lambda done, total, message="", **metrics: seen.append(done))
    assert [step for step in seen if step] == list(range(seen[-1] - len(set(seen)) + 2, 4))  # no step before the kill
    assert 1 not in seen

    def weights(store: ArtifactStore, ref: ArtifactRef) -> dict[str, str]:
        return {s.name: s.sha256 for s in store.manifest(ref).shards if s.name.endswith(".safetensors")}

    assert weights(stores[0], whole) == weights(stores[1], resumed)
    assert not set(weights(stores[0], whole).values()) & set(weights(model_store, model).values()), "nothing was learnt"
    table = stores[1].read_table(resumed, "metrics.parquet").to_pydict()
    assert table["step"] == [1, 2, 3]
    same = stores[0].read_table(whole, "metrics.parquet").to_pydict()
    assert table["reward/total"] == same["reward/total"]
    assert table["loss"] == pytest.approx(same["loss"], abs=1e-6)
    samples = stores[1].read_table(resumed, "samples.parquet").to_pylist()
    assert {row["step"] for row in samples} == {1, 2, 3}
    assert all(row["level"] == (1 if row["step"] <= 2 else 2) for row in samples)


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
