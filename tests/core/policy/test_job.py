"""What goes between the stage and its process."""

import json
from pathlib import Path

import pytest
from pydantic import ValidationError

from ifrl_core.artifacts import ArtifactStore
from ifrl_core.config import CurriculumConfig, PolicyConfig, RewardConfig
from ifrl_core.constraints.catalog.registry import CATALOG
from ifrl_core.policy.job import Job
from ifrl_core.policy.scoring import load_likelihood
from ifrl_core.policy.stage import _weights, with_weight
from ifrl_core.policy.tables import metrics_table, run_figures
from ifrl_core.records import Conversation
from ifrl_core.rewards.likelihood import LikelihoodScorer
from ifrl_core.rewards.score import Answered
from ifrl_core.training.checkpoints import last_checkpoint


def test_a_job_comes_back_as_it_was_written(tmp_path: Path) -> None:
    config = PolicyConfig(max_steps=3, curriculum=CurriculumConfig(levels=((1,), (2, 3))), learning_rate=3e-5)
    for reward_model in (None, tmp_path / "rm"):
        job = Job(config=config, model=tmp_path / "m", reward_model=reward_model, seed=7, folder=tmp_path)
        assert Job.read(job.write()) == job


@pytest.mark.model
def test_likelihoods_are_of_the_model_that_training_starts_from(tmp_path: Path, small_model_folder: Path) -> None:
    place = CATALOG["situation:setting"].constraint({"setting": "a desert town"})
    answered = [Answered(Conversation(({"role": "user", "content": "Name a river."},)), place, "The Nile.")]
    config = PolicyConfig(reward=RewardConfig(soft="likelihood"))
    job = Job(config=config, model=small_model_folder, reward_model=None, layout="list", seed=7, folder=tmp_path)
    likelihood = load_likelihood(job)
    assert likelihood is not None
    assert likelihood(answered) == LikelihoodScorer(small_model_folder, "list").scores(answered)
    assert load_likelihood(job.model_copy(update={"config": PolicyConfig()})) is None


def test_every_soft_type_of_the_prompts_has_its_weight_also_one_unseen_in_validation(store: ArtifactStore) -> None:
    writer = store.writer("reward-model", 1, "a" * 64, {}, {})
    writer.write_json("model/config.json", {})
    soft = {"auc": 0.7, "by_type": {"tone:kind": {"auc": 0.9, "n": 40}}}
    inputs = {"reward_model": writer.commit({"soft": soft})}
    kinds = {"tone:kind": "soft", "persona:unseen": "soft", "punctuation:no_comma": "hard"}
    rows = [{"constraints": [{"type": name, "kind": kind}]} for name, kind in kinds.items()]
    weights = _weights(RewardConfig(aggregation="reliability"), rows, inputs, store)
    assert weights == pytest.approx({"tone:kind": 0.8, "persona:unseen": 0.4})


def test_a_micro_batch_that_does_not_divide_the_rollouts_is_refused_with_the_fix() -> None:
    with pytest.raises(
        ValidationError, match=r"micro_batch 5 does not divide .* = 32; use one of \[1, 2, 4, 8, 16, 32\]"
    ):
        PolicyConfig(prompts_per_step=4, generations=8, micro_batch=5)


def test_the_last_whole_checkpoint_is_the_newest_with_a_readable_state(tmp_path: Path) -> None:
    assert last_checkpoint(tmp_path) is None

    def checkpoint(step: int, state: str | None) -> Path:
        folder = tmp_path / f"checkpoint-{step}"
        folder.mkdir()
        if state is not None:
            (folder / "trainer_state.json").write_text(state)
        return folder

    whole = checkpoint(9, json.dumps({"global_step": 9}))
    checkpoint(2, json.dumps({"global_step": 2}))
    checkpoint(10, '{"global_step": 1')  # killed while the state was written
    checkpoint(12, None)  # killed before it
    assert last_checkpoint(tmp_path) == whole


def test_metrics_of_a_step_without_a_value_are_null_not_zero() -> None:
    table = metrics_table([{"step": 1, "reward/soft": 0.5}, {"step": 2, "reward/hard": 1.0}])
    assert table.column_names == ["step", "reward/hard", "reward/soft"]
    assert table.to_pylist()[0] == {"step": 1, "reward/hard": None, "reward/soft": 0.5}


def test_figures_count_unscored_rewards_and_average_the_ends() -> None:
    rows = [
        {"step": i, "reward/total": i / 10, "unscored_share": 0.25 if i == 3 else 0.0, "rollouts": 8.0}
        for i in range(1, 11)
    ]
    figures = run_figures(rows)
    assert figures["steps"] == 10
    assert figures["reward_first"] == pytest.approx(0.3)  # mean of 0.1 .. 0.5
    assert figures["reward_last"] == pytest.approx(0.8)  # mean of 0.6 .. 1.0
    assert figures["unscored"] == 2
    assert figures["zero_variance_share"] is None


def test_prompts_whose_constraints_have_no_weight_are_not_asked() -> None:
    kinds = {"tone:kind": "soft", "punctuation:no_comma": "hard"}
    rows = [{"constraints": [{"type": name, "kind": kind}]} for name, kind in kinds.items()]
    problem = {"check": "math", "constraints": []}
    assert with_weight([*rows, problem], {"tone:kind": 0.0}) == [rows[1], problem]
    assert with_weight([*rows, problem], {"tone:kind": 0.1}) == [*rows, problem]
