"""A judge is measured on the spot: against rules, against itself, against recorded verdicts."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from ifrl_core.config import JudgeConfig
from ifrl_core.constraints.verdict import verify
from ifrl_core.constraints.verifiers.view import View
from ifrl_core.errors import ConfigError, InputError
from ifrl_core.evaluation.judge.checks import Check, checks
from ifrl_core.evaluation.judge.identity import check_judge, content_of
from ifrl_core.evaluation.judge.reliability import WORDINGS, against_truth, recorded_replies, reliability, spoken
from ifrl_core.evaluation.judge.templates import templates
from ifrl_core.inference import Completion, Request, Sampling
from ifrl_core.stages.progress import Progress, no_progress

RECORDED = Path(__file__).parents[5] / "shared" / "data" / "bench" / "cfbench" / "judged_20.json"
CONFIG = JudgeConfig(engine="server", served_model="judge", checks=40)
ANSWERS = [f"The keeper of {name} woke early, lit the lamp and watched the sea.\n\nIt was a long day for her. " * n
           for n, name in enumerate(("Skye", "Mull", "Iona", "Jura", "Bute"), start=1)]  # fmt: skip


class Says:
    """An engine whose every reply is what `reply` makes of the prompt."""

    def __init__(self, reply: Callable[[str], str]) -> None:
        self._reply = reply

    def generate(
        self, requests: Sequence[Request], sampling: Sampling, progress: Progress = no_progress
    ) -> list[Completion]:
        return [Completion(self._reply(request.messages[0]["content"]), "stop", 1, 1) for request in requests]


def by_wording(made: Sequence[Check], verdict: Callable[[Check, str], object]) -> Says:
    """A judge of these checks."""
    known = templates()
    replies = {
        known.render(wording, {"constraint": check.constraint.text, "answer": check.answer}): verdict(check, wording)
        for wording in WORDINGS
        for check in made
    }
    return Says(lambda prompt: json.dumps({"1": replies[prompt]}))


def measured(engine: Says, tmp_path: Path, **changed: Any) -> dict[str, Any]:
    return reliability(ANSWERS, engine, CONFIG.model_copy(update=changed), tmp_path / "journal.jsonl")


def test_checks_are_half_satisfied_and_half_violated_as_rules_say_whatever_the_order_of_the_answers() -> None:
    made = checks(ANSWERS, 40, seed=0)
    assert len(made) == 40
    assert sum(check.satisfied for check in made) == 20
    assert len({check.constraint.type for check in made}) > 20
    assert len({check.answer for check in made}) == len(ANSWERS)
    for check in made:
        assert check.satisfied == verify(check.constraint.type, check.constraint.args, View(check.answer))
    assert checks([*ANSWERS[::-1], *ANSWERS, " ", "x" * 9_000], 40, seed=0) == made
    assert checks(ANSWERS, 40, seed=1) != made
    assert checks([], 40, seed=0) == checks(ANSWERS, 0, seed=0) == []


def test_a_judge_that_knows_the_rules_is_measured_so(tmp_path: Path) -> None:
    figures = measured(by_wording(checks(ANSWERS, 40, 0), lambda check, wording: int(check.satisfied)), tmp_path)
    assert figures["checks"] == {"asked": 40, "satisfied": 20, "violated": 20, "unread": 0}
    for name in ("recall_of_violations", "precision_of_violations", "agreement", "self_consistency"):
        assert figures[name]["mean"] == 1 == figures[name]["high"]
        assert 0.8 < figures[name]["low"] < 1
    assert figures["says_yes"]["mean"] == 0.5
    assert figures["no_better_than_yes"] is False
    assert "finds 100% [84%, 100%] of the violations" in spoken(figures)
    assert "not measured, it needs evaluation.judge.recorded" in spoken(figures)


def test_a_judge_that_always_says_yes_or_guesses_is_marked(tmp_path: Path) -> None:
    figures = measured(Says(lambda prompt: '{"1": 1}'), tmp_path)
    assert figures["recall_of_violations"]["mean"] == 0
    assert figures["precision_of_violations"] is None
    assert figures["self_consistency"]["mean"] == 1
    assert figures["no_better_than_yes"] is True
    assert "finds violations +0 points [-16 to +16] more often than it imagines them" in spoken(figures)
    guessed, truth = [True, False] * 20, [True] * 20 + [False] * 20
    assert against_truth(guessed, truth)["tells_apart"]["mean"] == 0
    assert against_truth(guessed, truth)["no_better_than_yes"] is True
    assert against_truth([not verdict for verdict in truth], truth)["no_better_than_yes"] is True  # the wrong way round


def test_wordings_that_change_the_verdict_are_seen(tmp_path: Path) -> None:
    made = checks(ANSWERS, 40, 0)
    figures = measured(
        by_wording(made, lambda check, wording: int(check.satisfied == (wording == WORDINGS[0]))), tmp_path
    )
    assert figures["agreement"]["mean"] == 1
    assert figures["self_consistency"]["mean"] == 0


def test_replies_that_cannot_be_read_are_counted_and_are_no_verdicts(tmp_path: Path) -> None:
    made = checks(ANSWERS, 40, 0)
    figures = measured(
        by_wording(made, lambda check, wording: int(check.satisfied) if wording == WORDINGS[0] else "?"), tmp_path
    )
    assert figures["checks"]["unread"] == 40
    assert figures["agreement"]["units"] == 40
    assert figures["self_consistency"] is None
    assert "40 of 80 replies to these could not be read" in spoken(figures)
    assert against_truth([None, None], [True, False])["no_better_than_yes"] is None
    assert measured(Says(lambda prompt: ""), tmp_path / "none", checks=0)["checks"]["asked"] == 0


def recorded(path: Path, **changed: Any) -> str:
    """A file of the form of judged_20.json: two criteria, the second not met."""
    row = {
        "idx": 3,
        "prompt": "写一首诗",
        "gold": "",
        "split": "easy",
        "criteria": [["是诗", "主需", "内容约束", ""], ["四行", "次需", "数值约束", ""]],
        "response": "床前明月光",
        "judge_response": "是诗\t1\n\n四行\t0",
        "judge_score": ["1", "0"],
        "judge_parsing": "1",
        "judge_metric": {"CSR": 0.5, "ISR": 0, "PSR": 0},
    }
    path.write_text(json.dumps([row | changed]))
    return str(path)


def test_recorded_verdicts_are_compared_by_criterion(tmp_path: Path) -> None:
    path = recorded(tmp_path / "rows.json")
    assert recorded_replies(path) == {"rows": 1, "metrics": 1, "fallback": 0}
    figures = measured(Says(lambda prompt: '{"1": 1, "2": 1}'), tmp_path, checks=0, recorded=path)
    assert figures["recorded"]["agreement"] | {"low": 0, "high": 0} == {"mean": 0.5, "low": 0, "high": 0, "units": 2}
    assert figures["recorded"]["always_yes"] == figures["recorded"]["agreement"]
    assert figures["recorded"]["unread"] == 0
    assert "agrees with 50%" in spoken(figures)
    unread = measured(Says(lambda prompt: "?"), tmp_path / "unread", checks=0, recorded=path)
    assert (unread["recorded"]["agreement"], unread["recorded"]["unread"]) == (None, 2)


@pytest.mark.skipif(not RECORDED.exists(), reason="CFBench's recorded replies are not beside this checkout")
def test_the_twenty_recorded_replies_are_read_as_recorded_except_where_the_official_parser_fell_back() -> None:
    assert recorded_replies(str(RECORDED)) == {"rows": 20, "metrics": 18, "fallback": 2}


def test_a_judge_is_looked_at_before_anything_starts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("IFRL_JUDGE_URLS", raising=False)
    with pytest.raises(ConfigError, match="engine server needs IFRL_JUDGE_URLS"):
        check_judge(CONFIG, here=True)
    monkeypatch.setenv("IFRL_JUDGE_URLS", "http://127.0.0.1:1/v1")
    check_judge(CONFIG, here=True)
    broken = CONFIG.model_copy(update={"recorded": recorded(tmp_path / "rows.json", judge_response=3)})
    with pytest.raises(InputError, match="row 1: field 'judge_response' is int"):
        check_judge(broken, here=True)
    with pytest.raises(ConfigError, match="cannot be read"):
        check_judge(CONFIG.model_copy(update={"template": str(tmp_path / "none")}), here=True)


def test_templates_checks_and_recorded_verdicts_are_content(tmp_path: Path) -> None:
    without = CONFIG.model_copy(update={"checks": 0})
    plain = content_of(without, ["plain"])
    assert plain.keys() == {"template plain", "template again"}
    assert content_of(CONFIG, ["plain"]).keys() == plain.keys() | {"checks", *(f"template {name}" for name in WORDINGS)}
    (tmp_path / "plain.txt").write_text("Judge: {prompt}")
    assert content_of(without.model_copy(update={"template": str(tmp_path)}), ["plain"]) != plain
    one = without.model_copy(update={"recorded": recorded(tmp_path / "rows.json")})
    before = content_of(one, ["plain"])
    assert before.keys() == plain.keys() | {"recorded", "template cfbench"}
    recorded(tmp_path / "rows.json", idx=4)
    assert content_of(one, ["plain"]) != before
