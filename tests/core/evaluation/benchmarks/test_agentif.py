"""AgentIF's steps on real rows and made ones."""

import json
from pathlib import Path
from typing import Any

import pytest

from ifrl_core.errors import InputError
from ifrl_core.evaluation.benchmarks.agentif import AGENTIF, read
from ifrl_core.evaluation.suite.benchmark import Graded, Question, Terms
from ifrl_core.evaluation.suite.odd import odd_rows
from tests.core.evaluation.benchmarks.grading import graded

ROWS = Path(__file__).parents[5] / "shared" / "data" / "bench" / "agentif" / "example_5rows.jsonl"
CODE = {"type": "code", "exec": "def check_following(response):\n    return 'price' in response"}
POLITE = {"type": "llm", "exec": "Is it polite? {response}"}
SELLS = {"type": "llm_conditional_check", "exec": "Does it sell? {response}"}


def code(body: str) -> dict[str, str]:
    return {"type": "code", "exec": f"def check_following(response):\n    {body}"}


def row(*constraints: list[dict[str, str]], **more: Any) -> dict[str, Any]:
    """A row of upstream's shape."""
    kinds = {"dimension": "conditional", "type": ["semantic", "resource"]}
    given = [{"id": 0, "desc": f"demand {i}", **kinds, "evaluation": steps} for i, steps in enumerate(constraints)]
    return {"input": [{"role": "user", "content": "Hello"}], "constraints": given, **more}


def results(
    tmp_path: Path, rows: list[dict[str, Any]], answer: str, reply: str | None, terms: Terms, asked: list[Question]
) -> list[Graded]:
    """What the answer to each row is worth; `asked` gets the questions."""

    def replied(question: Question) -> str | None:
        asked.append(question)
        return reply

    path = tmp_path / "rows.json"
    path.write_text(json.dumps(rows))
    return [graded(AGENTIF, item, answer, replied, terms=terms) for item in read(str(path))]


@pytest.mark.parametrize(
    ("steps", "reply", "outcome"),
    [
        ([CODE], "", "satisfied"),
        ([POLITE], "It is.\nYES", "satisfied"),
        ([POLITE], "NO", "violated"),
        ([{"type": "llm", "exec": "Quote: {response}"}, CODE], "nothing", "violated"),
        ([SELLS, CODE], "NO", "does not apply"),
        ([SELLS, CODE], "who knows", "does not apply"),
        ([SELLS, CODE], "YES", "satisfied"),
        ([SELLS, CODE], None, "reply not read"),
        ([POLITE], "  ", "reply not read"),
        ([POLITE], "who knows", "reply not read"),
        ([code("return 1 / 0")], "", "error"),
        ([code("return None")], "", "no verdict"),
        ([code("return 'The answer: NO'")], "", "violated"),
    ],
)
def test_steps(tmp_path: Path, steps: list[dict[str, str]], reply: str | None, outcome: str) -> None:
    (result,) = results(tmp_path, [row(steps)], "the price is 5", reply, Terms(run_code=True), [])
    assert result.verdicts[0]["verdict"].startswith(outcome)
    assert result.notes == ({} if outcome in ("satisfied", "violated") else {outcome: 1})
    mark = {"satisfied": [1.0], "violated": [0.0], "does not apply": []}.get(outcome, [None])
    assert result.marks == {"csr": mark, "isr": [] if outcome in ("error", "no verdict") else mark}


def test_the_judge_sees_the_answer_and_what_can_be_asked_at_once_is(tmp_path: Path) -> None:
    asked: list[Question] = []
    bare = {"type": "llm", "exec": "Is it kind?"}
    results(tmp_path, [row([POLITE], [SELLS, POLITE], [bare], [CODE])], "a {b}", "YES", Terms(), asked)
    shown = [question.fields["prompt"] for question in asked]
    assert shown == [
        "Is it polite? a {b}",
        "Does it sell? a {b}",
        "Is it kind?\n\nThe response: a {b}",
        "Is it polite? a {b}",
    ]


def test_figures_leave_out_what_does_not_apply_and_isr_what_has_no_verdict(tmp_path: Path) -> None:
    rows = [row([CODE], [SELLS, POLITE]), row([CODE], [code("return 1 / 0")]), row([SELLS, CODE])]
    first, second, third = results(tmp_path, rows, "price", "NO", Terms(run_code=True), [])
    assert first.marks == {"csr": [1.0], "isr": [1.0]}
    assert first.parts == {"dimension": {"conditional": [1.0]}, "type": {"semantic": [1.0], "resource": [1.0]}}
    assert (second.marks, second.notes) == ({"csr": [1.0, None], "isr": [1.0]}, {"error": 1})
    assert second.verdicts[1] == {"asked": "demand 1", "verdict": "error (ZeroDivisionError: division by zero)"}
    assert (third.marks, third.notes) == ({"csr": [], "isr": []}, {"does not apply": 1})


@pytest.mark.parametrize(("official", "isr"), [(False, None), (True, 1.0)])
def test_a_reply_that_cannot_be_read_leaves_a_row_open_but_officially(
    tmp_path: Path, official: bool, isr: float | None
) -> None:
    (result,) = results(
        tmp_path, [row([CODE], [POLITE])], "price", "who knows", Terms(official=official, run_code=True), []
    )
    assert result.marks == {"csr": [1.0, None], "isr": [isr]}


def test_code_runs_only_where_it_may(tmp_path: Path) -> None:
    (result,) = results(tmp_path, [row([CODE], [POLITE, CODE])], "price", "price", Terms(), [])
    assert (result.marks, result.notes) == ({"csr": [None, None], "isr": [None]}, {"code not run": 2})


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("import re\ndef check_following(response):\n    return bool(re.search('price', response))", "satisfied"),
        ("def helper(x):\n    return True\ndef check_following(response):\n    return helper(response)", "error"),
        ("def check_following(response):\n    return 'NOTE'", "violated"),
        ("def check_following(response):\n    return 'Yes'", "no verdict"),
    ],
)
def test_the_official_way(tmp_path: Path, source: str, found: str) -> None:
    terms = Terms(official=True, run_code=True)
    (result,) = results(tmp_path, [row([{"type": "code", "exec": source}])], "price", None, terms, [])
    assert result.verdicts[0]["verdict"].partition(" (")[0] == found


@pytest.mark.parametrize(("official", "csr"), [(False, [0.0]), (True, [None])])
def test_code_checks_an_empty_answer_but_officially(tmp_path: Path, official: bool, csr: list[float | None]) -> None:
    (result,) = results(tmp_path, [row([CODE])], "", None, Terms(official=official, run_code=True), [])
    assert result.marks["csr"] == csr


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (row([CODE], input="none"), None),
        (row([CODE], input=7), "row 1: field 'input' is int; expected a list of messages"),
        (row([]), "row 1: constraint 1: field 'evaluation' is no list of steps"),
        (row([{"type": "rule", "exec": ""}]), "each with 'exec' and a type of"),
        ({"input": []}, "field 'input' has no message of the user to answer"),
        ({**row(), "constraints": 1}, "field 'constraints' is int; expected list"),
    ],
)
def test_rows_of_another_form_are_refused(tmp_path: Path, given: dict[str, Any], message: str | None) -> None:
    path = tmp_path / "rows.json"
    path.write_text(json.dumps([given]))
    if message is None:
        assert read(str(path))[0].prompt == "none"
    else:
        with pytest.raises(InputError, match=message):
            read(str(path))


@pytest.mark.e2e  # 60 children
@pytest.mark.skipif(not ROWS.exists(), reason="the rows are not beside this checkout")
def test_all_real_rows_run() -> None:
    rows = [json.loads(line)["verifier_metadata"]["constraints"] for line in ROWS.read_text().splitlines()]
    items = read(str(ROWS))
    outcomes: set[str] = set()
    for item, given in zip(items, rows, strict=True):
        assert [message["role"] for message in item.turns[0]][:2] == ["system", "user"]
        result = graded(AGENTIF, item, "<thought>I search.</thought>", lambda _: "YES", terms=Terms(run_code=True))
        outcomes |= {verdict["verdict"].partition(",")[0] for verdict in result.verdicts}
        assert len(result.verdicts) == len(given)
        assert len(result.marks["isr"]) == 1
    broken = "error (SyntaxError: unterminated string literal (detected at line 7) (<string>"  # a row's own checker
    assert outcomes == {"satisfied", "violated", broken}
    assert odd_rows(items)[-1] == {"what": "messages of one role merged", "rows": 1, "ids": ["5"]}
