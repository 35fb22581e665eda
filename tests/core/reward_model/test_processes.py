"""One training process or two: the same weights."""

from pathlib import Path

import pytest
from safetensors.torch import load_file

from ifrl_core.artifacts import ArtifactRef, ArtifactStore
from ifrl_core.config import OneProcessConfig, RewardModelConfig
from ifrl_core.errors import ConfigError
from ifrl_core.models.folder import model_folder
from ifrl_core.reward_model.model.packing import Packed, collate
from ifrl_core.reward_model.train.job import check_launch
from ifrl_core.reward_model.train.order import shared_out
from ifrl_core.reward_model.train.stage import train_reward_model
from tests.core.forked import killed_at
from tests.core.reward_model.test_train import SHORT, checkpoint, copied, toy
from tests.core.reward_model.toy import commit_labels

TWO = OneProcessConfig(device="cpu", processes_per_machine=2, strategy="ddp")

# float32: bf16 would hide what differs. 43 responses: the last step has 3 of 8, and one process a micro-batch without a pair.
CONFIG = SHORT.model_copy(update={"micro_batch": 2, "bf16": False, "learning_rate": 1e-3, "baselines": False})


@pytest.mark.model
@pytest.mark.usefixtures("forked")
def test_two_processes_make_the_weights_of_one_also_when_killed(
    model_store: ArtifactStore, tiny_model: ArtifactRef, tmp_path: Path
) -> None:
    inputs = {"model": tiny_model, "labels": commit_labels(model_store, toy(43, 30), toy(8, 31))}
    alone = train_reward_model(CONFIG, inputs, model_store)
    together = CONFIG.model_copy(update={"launch": TWO})
    again = copied(model_store, inputs, tmp_path / "again")
    with killed_at(checkpoint(again, inputs, together, step=4)):
        train_reward_model(together, inputs, again)
    recomputed = together.model_copy(update={"gradient_checkpointing": True})
    shared = train_reward_model(recomputed, inputs, again)
    assert shared.fingerprint == alone.fingerprint
    curves = [store.read_json(ref, "curve.json") for store, ref in ((model_store, alone), (again, shared))]
    for ours, theirs in zip(*curves, strict=True):
        assert ours == pytest.approx(theirs, rel=1e-5)
    mine, others = (
        load_file(model_folder(ref, store) / "model.safetensors")
        for store, ref in ((model_store, alone), (again, shared))
    )
    worst = max((weight - others[name]).abs().max().item() for name, weight in mine.items())
    assert worst < 1e-6, "gradients are summed in another order: 1.2e-7 measured, of steps of 1e-3"


def test_rows_without_a_pair_make_even_what_processes_share() -> None:
    rows = [Packed((1,) * 5, ((2,), (3,)), (place, place + 1)) for place in (0, 2, 4)]
    shared = shared_out(rows, 4)
    assert (shared[:3], len(shared), shared_out(rows, 3)) == (rows, 4, rows)
    batch = collate(shared[3:], pad_id=0)
    assert (batch.places, batch.rows.shape, batch.input_ids.shape) == ((), (0,), (1, 1))


def test_what_this_machine_cannot_do_is_refused_by_its_key() -> None:
    launch = OneProcessConfig(strategy="fsdp2", device="gpu", processes_per_machine=64)
    with pytest.raises(ConfigError, match=r"reward_model.launch wants 64 GPUs .* change reward_model.launch.processes"):
        check_launch(RewardModelConfig(launch=launch, batch_size=256))
