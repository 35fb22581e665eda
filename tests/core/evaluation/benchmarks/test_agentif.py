"""AgentIF's steps on real rows and made ones."""

import json
from pathlib import Path

import pytest

from ifrl_core.evaluation.benchmarks.agentif import Graded, figures, grade
from ifrl_core.evaluation.limited_code import CodeResult, run_limited

ROWS = Path(__file__).parents[5] / "shared" / "data" / "bench" / "agentif" / "example_5rows.jsonl"


def run(source: str, value: str) -> CodeResult:
    return run_limited(source, "check_following", value)


CODE = {"type": "code", "exec": "def check_following(response):\n    return 'price' in response"}


@pytest.mark.parametrize(
    ("steps", "reply", "outcome"),
    [
        ([CODE], "", "satisfied"),
        ([{"type": "llm", "exec": "Is it polite? {response}"}], "It is.\nYES", "satisfied"),
        ([{"type": "llm", "exec": "Is it polite? {response}"}], "NO", "violated"),
        ([{"type": "llm", "exec": "Quote: {response}"}, CODE], "nothing", "violated"),
        ([{"type": "llm_conditional_check", "exec": "Does it sell? {response}"}, CODE], "NO", "does not apply"),
        ([{"type": "llm_conditional_check", "exec": "Does it sell? {response}"}, CODE], "YES", "satisfied"),
        ([{"type": "llm", "exec": "{response}"}], "who knows", "unscored"),
        ([{"type": "code", "exec": "def check_following(response):\n    return 1 / 0"}], "", "error"),
        ([{"type": "code", "exec": "def check_following(response):\n    return 'The answer: NO'"}], "", "violated"),
    ],
)
def test_steps(steps: list[dict[str, str]], reply: str, outcome: str) -> None:
    assert grade(steps, "the price is 5", lambda prompt: reply, run).outcome == outcome


def test_the_judge_sees_the_answer_and_a_missing_reply_is_unscored() -> None:
    seen = []
    grade([{"type": "llm", "exec": "<{response}>"}], "a {b}", lambda prompt: seen.append(prompt), run)
    assert seen == ["<a {b}>"]
    assert grade([{"type": "llm", "exec": ""}], "a", lambda prompt: None, run).outcome == "unscored"


def test_figures_leave_out_what_does_not_apply_or_was_not_scored() -> None:
    rows = [
        [Graded("satisfied"), Graded("does not apply"), Graded("timeout")],
        [Graded("satisfied"), Graded("violated")],
        [Graded("unscored")],
    ]
    assert figures(rows) == {
        "csr": 2 / 3,
        "isr": 0.5,
        "constraints": {"does not apply": 1, "satisfied": 2, "timeout": 1, "unscored": 1, "violated": 1},
    }


@pytest.mark.skipif(not ROWS.exists(), reason="the rows are not beside this checkout")
def test_the_code_of_a_real_row_runs() -> None:
    rows = [json.loads(line)["verifier_metadata"]["constraints"] for line in ROWS.read_text().splitlines()]
    codes = [item["evaluation"] for row in rows for item in row if [s["type"] for s in item["evaluation"]] == ["code"]]
    graded = [grade(steps, "Thought: I search.\nAction: none", lambda prompt: None, run) for steps in codes[:4]]
    assert {item.outcome for item in graded} <= {"satisfied", "violated"}, graded
