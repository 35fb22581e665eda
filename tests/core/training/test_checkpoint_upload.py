"""Checkpoints in a real S3 store: whole or not there, and another machine goes on from them."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ifrl_core.artifacts import ArtifactRef, ArtifactStore, files
from ifrl_core.config import RewardModelConfig
from ifrl_core.errors import ArtifactError, ChangedError, StoppedError
from ifrl_core.policy.stage import train_policy
from ifrl_core.reward_model.train.stage import train_reward_model
from ifrl_core.training.checkpoint_upload import KEPT, Uploads, fetch_newest, kept_in_store, upload, uploaded
from ifrl_core.training.checkpoints import COMPLETIONS, remove_half_written
from ifrl_core.training.job import STOP
from tests.core.policy.test_training import HARD, changed, make_inputs
from tests.core.reward_model.test_train import toy
from tests.core.reward_model.toy import commit_labels
from tests.flows.servers import s3_server

CONFIG = changed(max_steps=8)
REMOTE = "ifrl/team/policy/f00/checkpoints"


@pytest.fixture
def s3_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ArtifactStore]:
    (tmp_path / "s3").mkdir()
    with s3_server(tmp_path / "s3") as env:
        for name, value in env.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("IFRL_CACHE", str(tmp_path / "cache"))
        yield ArtifactStore("s3://ifrl/team")


def checkpoint(folder: Path, step: int) -> Path:
    made = folder / f"checkpoint-{step}"
    (made / "deep").mkdir(parents=True)
    (made / "deep" / "weights.bin").write_bytes(bytes([step]) * 1000)
    (made / "trainer_state.json").write_text(json.dumps({"global_step": step}))
    return made


@pytest.mark.server
def test_the_newest_whole_checkpoint_is_fetched_and_a_half_written_one_is_none(
    s3_store: ArtifactStore, tmp_path: Path
) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    for step in (2, 10):
        made = checkpoint(here, step)
        (here / COMPLETIONS).mkdir(exist_ok=True)
        (here / COMPLETIONS / f"completions_{step:05d}.parquet").write_bytes(bytes([step]))
        # The trainer is a step further and has just opened its table.
        (here / COMPLETIONS / "completions_00011.parquet").touch()
        upload(s3_store, REMOTE, made, here)
    files.put_file(
        s3_store.fs, here / "checkpoint-10" / "trainer_state.json", f"{REMOTE}/checkpoint-12/trainer_state.json"
    )
    assert uploaded(s3_store, REMOTE) == [2, 10]
    fetch_newest(s3_store, REMOTE, there)
    assert {path.name for path in there.iterdir()} == {"checkpoint-10", COMPLETIONS}
    tables = {path.name: path.read_bytes() for path in (there / COMPLETIONS).iterdir()}
    assert tables == {"completions_00002.parquet": b"\x02", "completions_00010.parquet": b"\x0a"}
    assert (there / "checkpoint-10" / "deep" / "weights.bin").read_bytes() == bytes([10]) * 1000
    # What is here is as new: nothing is fetched over it.
    (there / "checkpoint-10" / "deep" / "weights.bin").write_bytes(b"mine")
    fetch_newest(s3_store, REMOTE, there)
    assert (there / "checkpoint-10" / "deep" / "weights.bin").read_bytes() == b"mine"


@pytest.mark.server
def test_a_file_that_was_cut_off_or_changed_is_named(s3_store: ArtifactStore, tmp_path: Path) -> None:
    upload(s3_store, REMOTE, checkpoint(tmp_path / "here", 2), tmp_path / "here")
    files.write_bytes(s3_store.fs, f"{REMOTE}/checkpoint-2/deep/weights.bin", bytes([3]) * 1000)
    with pytest.raises(ArtifactError, match=r"checkpoint-2/deep/weights.bin is corrupted"):
        fetch_newest(s3_store, REMOTE, tmp_path / "there")
    assert not list((tmp_path / "there").glob("checkpoint-*"))


def test_a_file_that_is_still_written_to_makes_no_checkpoint(
    store: ArtifactStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put, made = files.put_file, checkpoint(tmp_path / "here", 2)

    def put_while_written(fs: Any, source: Path, path: str) -> None:
        put(fs, source, path)
        if source.name == "weights.bin":
            with source.open("ab") as out:
                out.write(b"more")

    remote = f"{store.base}/policy/f00/checkpoints"
    with monkeypatch.context() as patch:
        patch.setattr(files, "put_file", put_while_written)
        with pytest.raises(ChangedError, match=r"deep/weights.bin was written to while it was copied"):
            upload(store, remote, made, tmp_path / "here")
        with pytest.raises(ChangedError):
            store.writer("policy", 1, "f" * 64, {}, {}).write_folder(made, prefix="model")
    assert uploaded(store, remote) == []
    upload(store, remote, made, tmp_path / "here")
    assert uploaded(store, remote) == [2]


def test_one_that_is_wrong_in_the_store_is_passed_over_for_the_one_before(store: ArtifactStore, tmp_path: Path) -> None:
    remote = f"{store.base}/policy/f00/checkpoints"
    for step in (2, 4):
        upload(store, remote, checkpoint(tmp_path / "here", step), tmp_path / "here")
    files.write_bytes(store.fs, f"{remote}/checkpoint-4/deep/weights.bin", b"half")
    fetch_newest(store, remote, tmp_path / "there")
    assert [path.name for path in (tmp_path / "there").glob("checkpoint-*")] == ["checkpoint-2"]
    fetch_newest(store, remote, tmp_path / "there")  # what is there is as good as what can be had
    assert [path.name for path in (tmp_path / "there").glob("checkpoint-*")] == ["checkpoint-2"]


def test_a_checkpoint_is_uploaded_once_a_later_step_was_made(store: ArtifactStore, tmp_path: Path) -> None:
    """Until then, other processes of the training may write their parts of it."""
    remote = f"{store.base}/policy/f00/checkpoints"
    uploads = Uploads(store, remote, tmp_path)
    checkpoint(tmp_path, 2)
    for step, expected in ((2, []), (3, [2])):
        uploads.look(step)
        uploads.wait()
        assert uploaded(store, remote) == expected


def test_what_a_kill_left_half_written_is_removed_before_the_training_goes_on(tmp_path: Path) -> None:
    checkpoint(tmp_path, 2)
    (checkpoint(tmp_path, 4) / "trainer_state.json").unlink()
    (checkpoint(tmp_path, 6) / "trainer_state.json").write_text('{"global_st')
    (tmp_path / ".upload-x" / "checkpoint-2").mkdir(parents=True)
    (tmp_path / ".fetched-checkpoint-8").mkdir()
    remove_half_written(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"checkpoint-2", ".fetched-checkpoint-8"}


@pytest.mark.server
def test_only_the_newest_are_kept(s3_store: ArtifactStore, tmp_path: Path) -> None:
    uploads = Uploads(s3_store, REMOTE, tmp_path)
    for step in (1, 2, 3, 4):
        checkpoint(tmp_path, step)
        uploads.finish()
    assert uploaded(s3_store, REMOTE) == [3, 4]
    assert len(uploaded(s3_store, REMOTE)) == KEPT
    left = {file.path.split("/")[0] for file in files.listing(s3_store.fs, REMOTE)}
    assert left == {"checkpoint-3", "checkpoint-4", "checkpoint-3.json", "checkpoint-4.json"}


def test_a_store_on_this_disk_needs_no_uploads(store: ArtifactStore, tmp_path: Path) -> None:
    with kept_in_store(store, "policy/f00/checkpoints", tmp_path) as uploads:
        assert uploads is None


@pytest.mark.model
@pytest.mark.server
@pytest.mark.usefixtures("forked")
@pytest.mark.timeout(1_200)
def test_another_machine_goes_on_where_this_one_was_stopped(
    s3_store: ArtifactStore,
    tiny_model: ArtifactRef,
    model_store: ArtifactStore,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    local = model_store.local_folder(tiny_model)
    s3_store.fs.put(str(local), f"ifrl/team/model/{tiny_model.fingerprint}", recursive=True)
    inputs = make_inputs(s3_store, tiny_model, types=HARD)
    scratch = s3_store.scratch("policy", train_policy.fingerprint(CONFIG, inputs, seed=0))

    def stop_after_a_step(done: int, *_: object, **__: object) -> None:
        if done == 1:
            (scratch / STOP).touch()

    with pytest.raises(StoppedError):
        train_policy(CONFIG, inputs, s3_store, stop_after_a_step)
    remote = s3_store.checkpoints("policy", train_policy.fingerprint(CONFIG, inputs, seed=0))
    steps = uploaded(s3_store, remote)
    assert steps
    assert 1 <= steps[-1] < CONFIG.max_steps

    monkeypatch.setenv("IFRL_CACHE", str(tmp_path / "another machine"))
    seen: list[int] = []
    ref = train_policy(CONFIG, inputs, s3_store, lambda done, *_, **__: seen.append(done))
    assert min(step for step in seen if step) == steps[-1] + 1
    # Those made on the first machine too, with what was answered there.
    assert s3_store.read_table(ref, "metrics.parquet").to_pydict()["step"] == list(range(1, 9))
    assert set(s3_store.read_table(ref, "samples.parquet")["step"].to_pylist()) == set(range(1, 9))
    # A finished policy leaves no optimizer states behind, neither in the store nor on the machine that finished it.
    assert not files.listing(s3_store.fs, remote)
    assert not s3_store.scratch("policy", ref.fingerprint).exists()
    s3_store.verify(ref)


@pytest.mark.server
def test_the_best_checkpoint_is_part_of_the_newest(s3_store: ArtifactStore, tmp_path: Path) -> None:
    """With early stopping: it stays while newer ones come and go, and bears the path of whoever fetches it."""
    here, there = tmp_path / "here", tmp_path / "there"
    uploads = Uploads(s3_store, REMOTE, here)
    for step in (2, 4, 6, 8):
        best = {"best_global_step": 2, "best_model_checkpoint": str(here / "checkpoint-2")}
        state = json.dumps({"global_step": step, **best})
        (checkpoint(here, step) / "trainer_state.json").write_text(state)
        if step != 2:  # an upload was on its way when the best one was made
            uploads.finish()
    assert uploaded(s3_store, REMOTE) == [2, 8]
    fetch_newest(s3_store, REMOTE, there)
    assert {path.name for path in there.iterdir()} == {"checkpoint-2", "checkpoint-8"}
    state = json.loads((there / "checkpoint-8" / "trainer_state.json").read_text())
    assert state["best_model_checkpoint"] == str(there / "checkpoint-2")


@pytest.mark.server
def test_a_checkpoint_that_the_trainer_may_be_removing_is_not_uploaded(s3_store: ArtifactStore, tmp_path: Path) -> None:
    uploads = Uploads(s3_store, REMOTE, tmp_path)
    old = checkpoint(tmp_path, 2)
    checkpoint(tmp_path, 4)
    (old / "deep" / "weights.bin").unlink()
    uploads._upload(old)
    assert uploaded(s3_store, REMOTE) == []
    assert not list(tmp_path.glob(".upload-*"))


@pytest.mark.model
@pytest.mark.server
@pytest.mark.usefixtures("forked")
def test_a_reward_model_goes_on_there_too_and_ends_with_the_same_digest(
    s3_store: ArtifactStore,
    tiny_model: ArtifactRef,
    model_store: ArtifactStore,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Validation labels contradict the training labels, so that an early checkpoint stays the best."""
    contrary = [(text, constraint, 1 - label) for text, constraint, label in toy(16, 15)]
    inputs = {"model": tiny_model, "labels": commit_labels(model_store, toy(96, 14), contrary)}
    config = RewardModelConfig(
        epochs=12, batch_size=8, micro_batch=8, max_tokens=64, layers=1, learning_rate=5e-3, save_steps=6,
        early_stopping=50, baselines=False,
    )  # fmt: skip
    whole = train_reward_model(config, inputs, model_store)
    for ref in inputs.values():
        s3_store.fs.put(str(model_store.local_folder(ref)), f"ifrl/team/{ref.stage}/{ref.fingerprint}", recursive=True)
    identity = train_reward_model.fingerprint(config, inputs, seed=0)

    def stop_after_a_while(done: int, *_: object, **__: object) -> None:
        if done >= 24:
            (s3_store.scratch("reward-model", identity) / STOP).touch()

    with pytest.raises(
        StoppedError, match=r"asked to stop at step (\d+) of 144. The last whole checkpoint is"
    ) as stopped:
        train_reward_model(config, inputs, s3_store, stop_after_a_while)
    remote = s3_store.checkpoints("reward-model", identity)
    losses = {row["step"]: row.get("held_out_loss") for row in model_store.read_json(whole, "curve.json")}
    steps = uploaded(s3_store, remote)
    assert len(steps) == 2, (steps, losses, [file.path for file in files.listing(s3_store.fs, remote)])
    best, newest = steps
    assert f"asked to stop at step {newest} of" in str(stopped.value), "the step in hand is kept"
    assert losses[best] == min(loss for loss in losses.values() if loss is not None)

    monkeypatch.setenv("IFRL_CACHE", str(tmp_path / "another machine"))
    seen: list[int] = []
    ref = train_reward_model(config, inputs, s3_store, lambda done, *_, **__: seen.append(done))
    assert min(step for step in seen if step) == newest + 1
    assert ref.digest == whole.digest
    assert not files.listing(s3_store.fs, remote)
