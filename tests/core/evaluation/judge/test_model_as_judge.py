"""A policy's answers to SysBench's shape with a model as the judge: what it does not decide stays unscored, and says so."""

import json
from pathlib import Path

import pytest

from ifrl_core.artifacts import ArtifactRef, ArtifactStore
from ifrl_core.config import BenchmarkConfig, EvaluationConfig, JudgeConfig
from ifrl_core.evaluation.suite.answers import answers_config, answers_of, make_answers
from ifrl_core.evaluation.suite.judgements import JudgementsConfig, judged_items, make_judgements
from ifrl_core.evaluation.suite.rows import benchmark_source, import_benchmark

CRITERIA = [{"content": text, "type": "格式约束"} for text in ("Use no commas.", "Write two lines.")]
DIALOG = {
    "system_id": "d",
    "system_prompt": "These rules hold for all of your answers: Use no commas. Write two lines.",
    "turns": [{"prompt": text, "criteria": CRITERIA} for text in ("Name a bird.", "And another one.")],
}
# Two layers of a model judge nothing, and neither does all of SmolLM2-135M (benchmarks/conversations.md).
JUDGE = JudgeConfig(model="two layers", max_tokens=4, retries=0, max_unscored_share=1.0, checks=0)


@pytest.mark.model
def test_dialogs_are_answered_turn_by_turn_and_a_judge_that_says_nothing_decides_nothing(
    small_model: ArtifactRef, model_store: ArtifactStore, tmp_path: Path
) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps(DIALOG) + "\n")
    given = BenchmarkConfig(path=(str(path),), max_tokens=4)
    rows = import_benchmark(benchmark_source("sysbench", given), {}, model_store)
    asked = answers_config("sysbench", given, EvaluationConfig())
    answers = make_answers(asked, {"benchmark": rows, "model": small_model}, model_store)
    turns = answers_of(answers, model_store, (0, 1))["d", 0]
    assert len(turns) == 2
    config = JudgementsConfig(benchmark="sysbench", official=False, run_code=False, items_per_shard=8, judge=JUDGE)
    inputs = {"benchmark": rows, "answers": answers, "judge": small_model}
    judgements = make_judgements(config, inputs, model_store)
    figures = model_store.manifest(judgements).figures
    unscored = {name: (of["mean"], of["n"], of["unscored"]) for name, of in figures["metrics"].items()}
    assert unscored == {"csr": (None, 0, 4), "isr": (None, 0, 2), "ssr": (None, 0, 1)}
    [row] = model_store.rows(judgements)
    replies = json.loads(row["replies"])
    assert [(reply["template"], reply["read"], reply["asked"]) for reply in replies] == [("sysbench", False, 1)] * 2
    assert all(reply["text"] for reply in replies)
    [item] = judged_items(judgements, rows, answers, model_store)
    assert {line["verdict"] for line in item.graded.verdicts} == {"reply not read"}
