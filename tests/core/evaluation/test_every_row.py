"""Rows of every file of every benchmark are read, asked of a model and judged by one; here few of them, in the soak all."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from ifrl_core.artifacts import ArtifactRef, ArtifactStore
from ifrl_core.config import JudgeConfig
from ifrl_core.evaluation.benchmarks.table import BENCHMARKS
from ifrl_core.evaluation.judge.ask import judged
from ifrl_core.evaluation.suite.answers import AnswersConfig, asked_answers
from ifrl_core.evaluation.suite.benchmark import Item, Terms
from ifrl_core.evaluation.suite.score import GradedItem, figures
from ifrl_core.inference.transformers_engine import TransformersEngine
from ifrl_core.models.folder import model_folder
from ifrl_core.stages.progress import no_progress
from ifrl_core.text.reasoning import THINK

BENCH = Path(__file__).parents[4] / "shared" / "data" / "bench"
FILES = {
    "agentif": "agentif/example_5rows.jsonl",
    "aime": "aime24/test.jsonl",
    "bbeh": "bbeh/mini_data.json",
    "cfbench": "cfbench/cfbench_data.json",
    "collie": "collie/collie_v1.jsonl.gz",
    "followbench": "followbench/*/*.json",
    "ifbench": "ifbench/IFBench_test.jsonl",
    "multichallenge": "multichallenge/benchmark_questions.jsonl",
    "sysbench": "sysbench/sysbench.derived.jsonl.gz",
    "writingbench": "writingbench/*.jsonl.gz",
}
TOKENS = 4  # of an answer, and of a judge's reply
pytestmark = [
    pytest.mark.model,
    pytest.mark.skipif(not BENCH.exists(), reason="the benchmarks' rows are not beside this checkout"),
]


@pytest.fixture(scope="module")
def engine(tiny_model: ArtifactRef, model_store: ArtifactStore) -> TransformersEngine:
    return TransformersEngine(model_folder(tiny_model, model_store))


def asked_and_judged(name: str, items: list[Item], engine: TransformersEngine, folder: Path) -> None:
    """Whatever the model and the judge write, every item gets its answers and its marks."""
    config = AnswersConfig(max_tokens=TOKENS, temperature=0.0, top_p=1.0, samples=1)
    work = SimpleNamespace(progress=no_progress)
    rows = asked_answers(engine, items, config, seed=0, reasoning=THINK, work=work)  # type: ignore[arg-type]
    answers = {item.id: [row["text"] for row in rows if row["item_id"] == item.id] for item in items}
    judge = JudgeConfig(engine="server", served_model="it", max_tokens=TOKENS, retries=0, max_unscored_share=1.0)
    with BENCHMARKS[name].grade(Terms(run_code=True)) as grade:
        judgements = judged([grade(i, answers[i.id]) for i in items], engine, judge, folder / "replies.jsonl")
    graded = [GradedItem(i, answers[i.id][-1], j.graded) for i, j in zip(items, judgements, strict=True)]
    found = figures(BENCHMARKS[name], graded)
    assert found["items"] == len(items)
    assert [len(answers[item.id]) for item in items] == [len(item.turns) for item in items]


@pytest.mark.parametrize("name", sorted(FILES))
def test_the_first_and_the_longest_row_of_a_file(name: str, engine: TransformersEngine, tmp_path: Path) -> None:
    first = BENCHMARKS[name].read(str(sorted(BENCH.glob(FILES[name]))[0]))
    asked_and_judged(name, [first[0], max(first[1:], key=lambda item: len(item.prompt))], engine, tmp_path)


@pytest.mark.soak
@pytest.mark.parametrize("name", sorted(FILES))
def test_every_row_of_every_file(name: str, engine: TransformersEngine, tmp_path: Path) -> None:
    for place, path in enumerate(sorted(BENCH.glob(FILES[name]))):
        (folder := tmp_path / str(place)).mkdir()
        asked_and_judged(name, BENCHMARKS[name].read(str(path)), engine, folder)
