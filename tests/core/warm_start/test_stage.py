"""The stage on a random model: killed and begun again, it ends with the weights of an undisturbed one."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from ifrl_core.artifacts import ArtifactRef, ArtifactStore, fingerprint
from ifrl_core.config import InstructionsConfig, LadderConfig
from ifrl_core.config.recipes import build_config
from ifrl_core.errors import InputError
from ifrl_core.instructions.stage import make_instructions, make_prompts
from ifrl_core.records import ROLLOUTS
from ifrl_core.warm_start.stage import WarmStartPlan, train_warm_start, warm_start_plan
from tests.core.evolving.test_stage import few_seeds
from tests.core.forked import killed_at
from tests.core.policy.test_training import own_store, weights

TYPES = ("punctuation:no_comma", "change_case:english_lowercase")
RIGHT = "the lighthouse stands on its rock and the keeper lights its lamp."


def plan_of(**policy: Any) -> WarmStartPlan:
    start = {"rows": 4, "epochs": 3, "batch": 2}
    short = {"max_tokens": 12, "curriculum": {"levels": [[1]]}, "save_steps": 1}
    plan = warm_start_plan(build_config({"policy": {"warm_start": start, **short, **policy}}))
    assert plan is not None
    return plan


def given(store: ArtifactStore, model: ArtifactRef, text: str) -> dict[str, ArtifactRef]:
    config = InstructionsConfig(types=TYPES, hard_share=1, min_constraints=1, max_constraints=2)
    written = make_instructions(config, {"seeds": few_seeds(store, Path(store.root), 12)}, store)
    prompts = make_prompts(LadderConfig(), {"instructions": written}, store)
    rows = [
        {"rollout_id": row["prompt_id"], "prompt_id": row["prompt_id"], "text": text, "finish_reason": "stop"}
        for row in store.rows(prompts, prefix="part-train-")
    ]
    writer = store.writer("rollouts", 1, fingerprint("rollouts", 1, {"rows": rows}, {}), {}, {})
    writer.write_table("part-00000.parquet", pa.Table.from_pylist(rows, schema=ROLLOUTS))
    return {"model": model, "prompts": prompts, "rollouts": writer.commit({})}


@pytest.mark.usefixtures("forked")
@pytest.mark.model
@pytest.mark.parametrize("lora", [pytest.param(None, marks=pytest.mark.soak), {"rank": 2}], ids=["weights", "adapters"])
def test_killed_it_goes_on_and_ends_with_the_weights_of_an_undisturbed_one(
    tiny_model: ArtifactRef, model_store: ArtifactStore, tmp_path: Path, lora: dict[str, int] | None
) -> None:
    config = plan_of(lora=lora)
    whole, killed = (own_store(tmp_path / name, tiny_model, model_store) for name in ("whole", "killed"))
    undisturbed = train_warm_start(config, given(whole, tiny_model, RIGHT), whole)
    inputs = given(killed, tiny_model, RIGHT)
    scratch = killed.scratch("warm-start", train_warm_start.fingerprint(config, inputs, seed=0))
    with killed_at(scratch / "checkpoints" / "checkpoint-2" / "trainer_state.json"):
        train_warm_start(config, inputs, killed)
    steps: list[int] = []
    resumed = train_warm_start(config, inputs, killed, lambda done, *_, **__: steps.append(done))
    assert min(filter(None, steps)) > 1, "a step before the kill was made again"
    assert weights(killed, resumed) == weights(whole, undisturbed) != weights(whole, tiny_model)
    figures = whole.manifest(undisturbed).figures
    assert figures["by_source"] == {"own": figures["rows"]} == {"own": 4}
    assert figures["loss_last"] < figures["loss_first"]
    assert killed.read_table(resumed, "demonstrations.parquet").num_rows == 4


@pytest.mark.model
def test_nothing_to_learn_from_is_refused(tiny_model: ArtifactRef, model_store: ArtifactStore, tmp_path: Path) -> None:
    store = own_store(tmp_path / "store", tiny_model, model_store)
    with pytest.raises(InputError, match="has nothing to learn from"):
        train_warm_start(plan_of(), given(store, tiny_model, "LIGHTHOUSES, all of them."), store)
