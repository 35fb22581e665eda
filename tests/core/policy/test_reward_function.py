"""The reward of a batch in which instructions and general problems are mixed, and what it tells the curriculum."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from transformers import TrainerControl, TrainerState, TrainingArguments

from ifrl_core.config import CurriculumConfig, InstructionsConfig, PolicyConfig
from ifrl_core.constraints.catalog.registry import CATALOG
from ifrl_core.constraints.turn_types import EXAMPLE
from ifrl_core.errors import HackError
from ifrl_core.policy.curriculum import Outcome, Schedule, open_strategy
from ifrl_core.policy.live import LiveCurriculum, Rollout, outcomes
from ifrl_core.policy.reward_function import PromptReward
from ifrl_core.policy.writing_reward import WritingReward
from ifrl_core.records import Constraint, constraint_row, packed, unpacked
from ifrl_core.rewards.score import Answered, InContext, RewardPlan
from ifrl_core.rewards.writing import WritingPlan
from ifrl_core.training.clock import StepClock

NO_COMMA = Constraint("punctuation:no_comma", "hard", "Use no comma.", {})
LOWER = Constraint("change_case:english_lowercase", "hard", "Write in lowercase.", {})
Row = dict[str, Any]

END = 2  # the token that ends an answer; "…" stands for the token budget


def instruction(slot: int, *constraints: Constraint) -> Row:
    rows = [constraint_row(constraint) for constraint in constraints]
    prompt = {"prompt_id": f"i{slot}", "level": len(rows), "seed": "Name a river.", "constraints": rows}
    return {**prompt, "slot": slot, "conversation": None, "check": None, "answer": None, "source": None}


def problem(slot: int, kind: str, answer: str, source: str) -> Row:
    prompt = {"prompt_id": f"p{slot}", "level": 0, "seed": "", "constraints": []}
    return {**prompt, "slot": slot, "conversation": None, "check": kind, "answer": answer, "source": source}


def scored(
    pairs: list[tuple[Row, str]] | list[tuple[Row, list[Row]]],
    gather: Callable[[list[Row]], list[Row]] = list,
    plan: RewardPlan = RewardPlan(),  # noqa: B008
    likelihood: InContext | None = None,
    **config: Any,
) -> tuple[list[float | None], dict[str, float], dict[str, list[Any]], list[Rollout]]:
    """Rewards, metrics, extra columns, and what was seen."""
    metrics: dict[str, float] = {}
    extra: dict[str, list[Any]] = {}
    seen: list[Rollout] = []
    before: Callable[[], dict[str, float]] = lambda: {"stage": 1.0}  # noqa: E731
    reward = PromptReward(
        None,
        plan=plan,
        config=PolicyConfig(**config),
        clock=StepClock(),
        seen=seen,
        before=before,
        gather=gather,
        ends=[END],
        likelihood=likelihood,
    )
    columns = {name: [row[name] for row, _ in pairs] for name in pairs[0][0]}
    completions = [said if isinstance(said, list) else [{"role": "assistant", "content": said}] for _, said in pairs]
    ids = [[END + 1] * 3 if said[-1]["content"].endswith("…") else [END + 1, END] for said in completions]
    log: dict[str, Any] = {"log_metric": metrics.__setitem__, "log_extra": extra.__setitem__}
    rewards = reward(completions=completions, completion_ids=ids, **log, **columns)
    return rewards, metrics, extra, seen


BATCH = [
    (instruction(0, NO_COMMA, LOWER), "the rhine flows"),
    (problem(1, "choice", "B", "science"), "Answer: B"),
    (instruction(0, NO_COMMA, LOWER), "the rhine, it flows"),
    (problem(1, "choice", "B", "science"), "Answer: A"),
    (problem(2, "exact", "yes", "mine"), "Answer: yes"),
    (instruction(3, NO_COMMA), "the rhine flows"),
]


def test_the_likelihood_of_an_answer_is_asked_with_the_conversation_without_constraints() -> None:
    asked: list[Answered] = []
    kind, answer = Constraint("tone:kind", "soft", "Sound kind.", {}), "the rhine flows"
    rewards, *_ = scored([(instruction(0, kind), answer)], likelihood=lambda answered: asked.extend(answered) or [0.25])
    assert (rewards, asked) == ([0.25], [Answered(unpacked(None, "Name a river."), kind, answer)])


def test_each_kind_is_rewarded_by_its_own_measure_in_the_order_of_the_batch() -> None:
    rewards, metrics, extra, _ = scored(BATCH)
    assert rewards == [1.0, 1.0, 0.5, 0.0, 1.0, 1.0]
    assert metrics["reward/level/2"] == 0.75
    assert "reward/level/0" not in metrics
    assert metrics["pass_rate/level/1"] == 1.0
    assert metrics["pass_rate/level/2"] == 0.75
    assert metrics["general/accuracy"] == pytest.approx(2 / 3)
    assert (metrics["general/accuracy/science"], metrics["general/accuracy/mine"]) == (0.5, 1.0)
    assert metrics["stage"] == 1.0
    assert metrics["unscored_share"] == 0.0
    assert metrics["length/words"] == pytest.approx((3 + 4 + 3) / 3)  # of instructions
    assert extra["prompt_id"] == ["i0", "p1", "i0", "p1", "p2", "i3"]
    assert [json.loads(parts) for parts in extra["parts"]][2:4] == [
        [["punctuation:no_comma", 0.0], ["change_case:english_lowercase", 1.0]],
        [["general:science", 0.0]],
    ]


def test_the_conversation_decides() -> None:
    hold = CATALOG["conversation:hold_rule"].constraint({"turn_number": 0})
    row = {**instruction(0, hold), "seed": EXAMPLE.request, "conversation": packed(EXAMPLE)}
    assert scored([(row, "Well. Fair winds."), (row, "Well.")])[0] == [1.0, 0.0]


def test_an_answer_without_its_end_keeps_part_of_its_reward() -> None:
    batch = [(instruction(0, NO_COMMA), "the rhine flows"), (instruction(0, NO_COMMA), "the rhine flows on and…")]
    assert scored(batch, plan=RewardPlan(cut_off_factor=0.5))[0] == [1.0, 0.5]


@pytest.mark.parametrize(("passed", "rates"), [("mean", [1.0, 0.5, 1.0]), ("all", [1.0, 0.0, 1.0])])
def test_the_curriculum_sees_rewards_and_pass_rates_of_instructions_alone(passed: str, rates: list[float]) -> None:
    *_, seen = scored(BATCH, curriculum={"passed": passed})
    assert [rollout.slot for rollout in seen] == [0, 0, 3]
    assert [rollout.pass_rate for rollout in seen] == rates
    first, second = outcomes(reversed(seen))
    assert first == Outcome("i0", 0.75, (rates[0] + rates[1]) / 2, flat=False)
    assert second == Outcome("i3", 1.0, 1.0, flat=True)


def test_a_group_of_which_nothing_was_scored_is_not_flat() -> None:
    assert outcomes([Rollout(0, "i", None, None)]) == [Outcome("i", None, None, flat=False)]


def test_a_batch_of_problems_alone_has_no_rewards_of_constraints() -> None:
    rewards, metrics, _, seen = scored([BATCH[1], BATCH[3]])
    assert rewards == [1.0, 0.0]
    assert not seen
    assert not [name for name in metrics if name.startswith(("reward/", "hack/", "pass_rate/"))]


def test_every_process_sees_the_figures_of_all_of_them() -> None:
    of_others: list[Row] = []

    def keep(rows: list[Row]) -> list[Row]:
        of_others.extend(rows)
        return rows

    _, metrics, _, seen = scored(BATCH)
    first, *_ = scored(BATCH[:2], keep)
    second, metrics_of_two, extra, seen_by_two = scored(BATCH[2:], lambda rows: of_others + rows)
    assert first + second == scored(BATCH)[0]
    assert metrics_of_two == metrics
    assert seen_by_two == seen
    assert extra["prompt_id"] == ["i0", "p1", "p2", "i3"]  # its own


def test_the_curriculum_goes_on_when_the_last_update_on_the_same_rollouts_is_done() -> None:
    table = [{"prompt_id": f"i{number}", "level": 1} for number in range(6)]
    curriculum = open_strategy(table, CurriculumConfig(levels=((1,),)), max_steps=3, seed=0)
    schedule = Schedule(curriculum, [], prompts_per_step=2, ratio=0.0, seed=0)
    live = LiveCurriculum(schedule, updates=2)
    steps = []
    for done in range(1, 5):
        live.on_step_end(TrainingArguments(), TrainerState(global_step=done), TrainerControl())
        steps.append(schedule.step)
    assert steps == [0, 1, 1, 2]
    assert live.state()["attributes"]["step"] == 2


def test_too_many_answers_that_please_the_checker_still_stop_the_run() -> None:
    with pytest.raises(HackError):
        scored([(instruction(0, NO_COMMA), "I have used no comma in this.")], reward={"max_hack_share": 0.0})


@pytest.mark.parametrize(("processes", "reward"), [(1, 0.2), (4, 0.05)])
def test_the_quota_of_a_template_is_of_the_replies_of_all_processes(processes: int, reward: float) -> None:
    """Each has one reply with the same constraint; of five that are allowed, and one of its template."""
    writing = WritingPlan(instructions=InstructionsConfig(writer="instructor"), rates={NO_COMMA.type: 0.5})
    made = WritingReward(
        writing,
        plan=RewardPlan(),
        config=PolicyConfig(),
        clock=StepClock(),
        seen=[],
        before=dict,
        gather=lambda items: items * processes,
        ends=[END],
    )
    columns: dict[str, Any] = {name: [value] for name, value in instruction(0).items()}
    reply = [[{"role": "assistant", "content": json.dumps({"c1": "Do not use any commas in your response."})}]]
    log: dict[str, Any] = {"log_metric": lambda *_: None, "log_extra": lambda *_: None}
    assert made(completions=reply, completion_ids=[[END]], **log, **columns) == [pytest.approx(reward)]
