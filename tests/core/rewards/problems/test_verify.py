"""Whether a response gives the answer, and that no response can hold up the run."""

import pytest

from ifrl_core.rewards.problems.reward import problem_metrics, score_problems
from ifrl_core.rewards.problems.verify import Grader, chosen_letter
from ifrl_core.rewards.score import RewardPlan
from ifrl_core.text.reasoning import Reasoning
from tests.patience import PATIENCE_S


@pytest.fixture(scope="module")
def grader() -> Grader:
    with Grader(limit_s=PATIENCE_S) as opened:
        yield opened


@pytest.mark.parametrize(
    ("response", "answer", "correct"),
    [
        ("6 * 7 is 42.\nAnswer: 42", "42", True),
        ("I count 40 and 2 more, so 42 in all.", "42", True),
        (r"So we get \boxed{42}", "42", True),
        ("Answer: 1,200 euros", "1200", True),
        ("Answer: 0.4", "2/5", True),
        (r"Answer: \frac{2}{5}", "2/5", True),
        (r"Answer: $\frac{4}{10}$", "0.4", True),
        ("**Answer:** 12.50", "25/2", True),
        ("Answer: 41", "42", False),
        (r"Answer: \frac{1}{2}", "2", False),
        ("42 minus 1.\nAnswer: 41", "42", False),
        ("I do not know.", "42", False),
        ("", "42", False),
    ],
)
def test_mathematics(grader: Grader, response: str, answer: str, correct: bool) -> None:
    assert grader.correct(response, "math", answer) is correct


@pytest.mark.parametrize(
    ("response", "letter"),
    [
        ("Answer: B", "B"),
        ("First I thought (A).\nThe answer is (B).", "B"),
        ("**Answer:** (C) gravity", "C"),
        ("B", "B"),
        ("A: D", "D"),
        ("A: energy", "A"),
        ("B) Mercury", "B"),
        ("(D)", "D"),
        (r"\boxed{A}", "A"),
        ("It is Mercury (B), because it is near.", "B"),
        ("A planet is a body. I like it.", None),
        ("Mercury", None),
        ("Answer: Because", None),
    ],
)
def test_the_chosen_letter(response: str, letter: str | None) -> None:
    assert chosen_letter(response) == letter


def test_exact_answers(grader: Grader) -> None:
    assert grader.correct("Answer: New  york.", "exact", "New York")
    assert grader.correct("new york", "exact", "New York")
    assert not grader.correct("It is New York", "exact", "New York")


def test_what_takes_too_long_or_too_much_is_unscored_and_the_next_is_checked() -> None:
    with Grader(limit_s=PATIENCE_S) as grader:
        assert grader.correct("Answer: 5", "math", "5") is True
        grader._limit_s = 2
        assert grader.correct("Answer: $9^{9^{9^{9}}} + 1$", "math", "5") is not True
        grader._limit_s = PATIENCE_S
        assert grader.correct("Answer: 5", "math", "5") is True


def test_rewards_are_correctness_times_the_gate_and_nothing_for_no_answer(grader: Grader) -> None:
    responses = [
        "Answer: B",
        "Answer: C",
        " ",
        "<think>so B</think>Answer: B",
        "<think>B",
        "and so on " * 20 + "Answer: B",
    ]
    kinds, answers = ["choice"] * len(responses), ["B"] * len(responses)
    plan = RewardPlan(degenerate_factor=0.25, intent_factor=0.5)
    rewards = score_problems(responses, kinds, answers, grader, plan)
    assert [reward.total for reward in rewards] == [1, 0, 0, 1, 0, 0.25]
    strict = score_problems(responses, kinds, answers, grader, RewardPlan(reasoning=Reasoning(always=True)))
    assert [reward.total for reward in strict] == [0, 0, 0, 1, 0, 0]
    assert problem_metrics(rewards[:2], ["one", "two"]) == {
        "general/accuracy": 0.5,
        "general/accuracy/one": 1.0,
        "general/accuracy/two": 0.0,
    }
