"""The intent gate by meaning, on the real embedded model."""

from pathlib import Path

import pytest

from ifrl_core.artifacts import ArtifactRef, ArtifactStore
from ifrl_core.config import PolicyConfig
from ifrl_core.policy.job import Job
from ifrl_core.policy.scoring import reward_plan
from ifrl_core.rewards.intent import EmbeddingIntent

TASKS = {
    "Explain why the sky is blue.": "Sunlight scatters off the gas in the air, and blue light scatters the most of all.",
    "How do I bake bread at home?": "Mix flour, water, salt and yeast, let the dough rise, and put it into a hot oven.",
    "Write about a football match.": "The striker scored in the last minute and the crowd of the stadium roared his name.",
    "What is a good password?": "Use a long string of random letters and numbers, and never reuse it on another website.",
    "Describe a visit to the dentist.": "She drilled into my sore tooth, filled the hole and told me to brush more often.",
    "How do trees survive the winter?": "They drop their leaves, keep sugar in their roots and rest until the days are warm.",
}
pytestmark = pytest.mark.model


@pytest.fixture(scope="module")
def folder(model: ArtifactRef, model_store: ArtifactStore) -> Path:
    return model_store.local_folder(model) / "model"


@pytest.fixture(scope="module")
def judge(folder: Path) -> EmbeddingIntent:
    return EmbeddingIntent(folder, list(TASKS))


def test_an_answer_is_nearer_its_own_task_than_another(judge: EmbeddingIntent) -> None:
    seeds, answers = list(TASKS), list(TASKS.values())
    own, others = judge.scores(seeds, answers), judge.scores(seeds, [*answers[1:], answers[0]])
    assert sum(own) / len(own) > 0.7
    assert sum(own) / len(own) > sum(others) / len(others) + 0.3


def test_scores_do_not_depend_on_the_company_and_a_blank_answer_has_none(judge: EmbeddingIntent) -> None:
    seeds, answers = list(TASKS), [*list(TASKS.values())[:-1], "  "]
    together = judge.scores(seeds, answers)
    alone = [judge.scores([seed], [answer])[0] for seed, answer in zip(seeds, answers, strict=True)]
    assert together == pytest.approx(alone, abs=1 / len(TASKS) + 1e-6)  # bf16: at most one rank
    assert together[-1] == 0
    assert all(0 <= score <= 1 for score in together)


def test_one_reference_is_refused(folder: Path) -> None:
    with pytest.raises(ValueError, match="two different seed instructions"):
        EmbeddingIntent(folder, ["Say hello.", "Say hello."])


def test_a_recipe_chooses_it(folder: Path, tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.table({"seed": list(TASKS)}), tmp_path / "prompts.parquet")
    config = PolicyConfig.model_validate({"reward": {"intent": "embedding", "intent_threshold": 0.5}})
    plan = reward_plan(Job(config=config, model=folder, reward_model=None, seed=0, folder=tmp_path))
    seeds = list(TASKS)
    assert plan.off_task(seeds[:1], [TASKS[seeds[0]]]) == [False]
    assert plan.off_task(seeds[:1], [""]) == [True]
