"""General problems with a known answer: whether ability outside instruction following stays."""

from collections.abc import Sequence
from statistics import fmean

import pyarrow as pa

from ifrl_core.config import EvaluationConfig
from ifrl_core.evaluation.asked import Benchmark, Questions, mean_of
from ifrl_core.evaluation.difference import difference
from ifrl_core.inference import Completion, Request, Sampling
from ifrl_core.records import Row
from ifrl_core.rewards.problems.stage import problems_of
from ifrl_core.rewards.problems.verify import Grader
from ifrl_core.stages.stage import Figures, Inputs, Work
from ifrl_core.text.reasoning import answer_of

ANSWERS = pa.schema(
    [
        ("prompt_id", pa.string()),
        ("source", pa.string()),
        ("kind", pa.string()),
        ("prompt", pa.string()),
        ("answer", pa.string()),
        ("text", pa.string()),
        ("finish_reason", pa.string()),
        ("correct", pa.bool_()),  # null when it could not be found out in time
    ]
)


def questions(config: EvaluationConfig, inputs: Inputs, work: Work) -> Questions:
    """Held-out problems, greedily. The first by id, which is a hash: a larger number only adds problems."""
    rows = problems_of(inputs["general"], work.store, "held_out")[: config.general_prompts]
    requests = [Request([{"role": "user", "content": row["prompt"]}], work.seed) for row in rows]
    return Questions(rows, requests, Sampling(config.general_max_tokens, temperature=0.0))


def answers(rows: Sequence[Row], completions: Sequence[Completion], inputs: Inputs, work: Work) -> list[Row]:
    """Rows of ANSWERS."""
    with Grader() as grader:
        return [
            {
                **row,
                "text": completion.text,
                "finish_reason": completion.finish_reason,
                "correct": grader.correct(answer_of(completion.text, work.reasoning), row["kind"], row["answer"]),
            }
            for row, completion in zip(rows, completions, strict=True)
        ]


def figures(rows: Sequence[Row]) -> Figures:
    """Accuracy of what could be checked, overall and by source; `truncated`: the share ended by the token budget."""
    checked = [row for row in rows if row["correct"] is not None]
    sources = sorted({row["source"] for row in checked})
    return {
        "general": {
            "accuracy": mean_of(row["correct"] for row in checked),
            "by_source": {s: fmean(row["correct"] for row in checked if row["source"] == s) for s in sources},
            "prompts": len(rows),
            "unchecked": len(rows) - len(checked),
            "truncated": mean_of(row["finish_reason"] == "length" for row in rows),
        }
    }


def compared(before: Sequence[Row], after: Sequence[Row]) -> Figures:
    """Accuracy on problems that both sides could check."""
    pairs = [
        {"source": old["source"], "before": old["correct"], "after": new["correct"], "cluster": old["prompt_id"]}
        for old, new in zip(before, after, strict=True)
        if old["correct"] is not None and new["correct"] is not None
    ]
    sources = sorted({pair["source"] for pair in pairs})
    by_source = {source: difference([pair for pair in pairs if pair["source"] == source]) for source in sources}
    return {"general": {"overall": difference(pairs), "by_source": by_source}}


PROBLEMS = Benchmark("general", "general.parquet", ANSWERS, questions, answers, figures, compared)
