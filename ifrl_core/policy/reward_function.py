"""The one reward function that trl calls: rewards of a batch of completions, with their metrics.

Instructions are rewarded by their constraints, general problems by the correctness of their answer. Metrics of rewards,
answers and hacking are of instructions; `general/…` are of problems; the share without spread is of all groups.

With `policy.turns` all a completion is the messages of a dialog (dialogs.py), and its reward is of all answers in it.

With several processes each scores its own completions; metrics, limits and what the curriculum sees are of all of them.
"""

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from statistics import fmean
from typing import Any

from ifrl_core.config import PolicyConfig
from ifrl_core.policy.dialogs import first_asked
from ifrl_core.policy.live import Rollout
from ifrl_core.records import Constraint, Row, constraint_of, messages_of, packed, unpacked, with_history
from ifrl_core.reward_model.model.scorer import Scorer
from ifrl_core.rewards.problems.reward import problem_metrics, score_problems
from ifrl_core.rewards.problems.verify import Grader
from ifrl_core.rewards.score import InContext, Reward, RewardPlan, check_unscored, score_responses
from ifrl_core.rewards.step_figures import check_hacks, hack_metrics, reward_metrics, turn_metrics, zero_variance_share
from ifrl_core.rollouts.standing import kept_before, spoken
from ifrl_core.text.reasoning import Reasoning, answer_of
from ifrl_core.training.clock import StepClock

COLUMNS = ("slot", "prompt_id", "level", "seed", "conversation", "constraints", "check", "answer", "source")


class PromptReward:
    """Rewards of a batch of rollouts: rows of COLUMNS with the response, and once it is scored its reward.

    A callable class: trl names its metrics and its column of the completions table by `__name__`.

    `seen` gets what each rollout of an instruction showed; `before` gives metrics of the curriculum. `gather` gives the
    list of every process, in their order, one after another (accelerate's gather_object).
    """

    __name__ = "reward"

    def __init__(
        self,
        reward_model: Scorer | None,
        *,
        plan: RewardPlan,
        config: PolicyConfig,
        clock: StepClock,
        seen: list[Rollout],
        before: Callable[[], Mapping[str, float]],
        gather: Callable[[list[Any]], list[Any]] = list,
        ends: Collection[int] = (),
        likelihood: InContext | None = None,
    ) -> None:
        self._reward_model, self._plan, self._config, self._clock = reward_model, plan, config, clock
        self._likelihood = likelihood
        self._seen, self._before, self._gather = seen, before, gather
        self._grader, self._ends = Grader(), ends

    def __call__(
        self,
        *,
        completions: Sequence[Sequence[dict[str, str]]],
        completion_ids: Sequence[Sequence[int]],
        log_metric: Callable[[str, float], None],
        log_extra: Callable[[str, list[Any]], None],
        **columns: Any,
    ) -> list[float | None]:
        """One reward a completion, None when it could not be scored. `columns` are those of job.POOL, and slot.

        Raises:
            UnscoredError: when more than `max_unscored_share` of them could not.
            HackError: when more than `max_hack_share` of the answers trip a wire.
        """
        with self._clock.of("score"):
            before = columns.get("cut_before") or [False] * len(completion_ids)
            cut_off = [
                cut or not ids or ids[-1] not in self._ends for ids, cut in zip(completion_ids, before, strict=True)
            ]
            return self._scored(completions, log_metric, log_extra, {**columns, "cut_off": cut_off})

    def _scored(
        self,
        completions: Sequence[Sequence[dict[str, str]]],
        log_metric: Callable[[str, float], None],
        log_extra: Callable[[str, list[Any]], None],
        columns: Mapping[str, Any],
    ) -> list[float | None]:
        names = (*COLUMNS, "cut_off")
        values = zip(*(columns[name] for name in names), strict=True)
        rows: list[Row] = [dict(zip(names, of_row, strict=True)) for of_row in values]
        prompts = columns.get("prompts") or [[]] * len(rows)
        for row, prompt, completion in zip(rows, prompts, completions, strict=True):
            row |= {"response": completion[-1]["content"], "turns": 1, "kept": None}
            if len(completion) > 1:
                row |= _of_dialog(row, [*first_asked(prompt, completion), *completion[:-1]], self._plan.reasoning)
        self._score(rows)
        for name, value in self._metrics(self._gather(rows)).items():
            log_metric(name, value)
        for column in ("prompt_id", "level"):
            log_extra(column, [row[column] for row in rows])
        log_extra("parts", [_parts(row) for row in rows])
        return [row["reward"].total for row in rows]

    def _score(self, rows: Sequence[Row]) -> None:
        """Give each row its reward."""
        instructions, problems = _apart(rows)
        rewards = score_responses(
            _column(instructions, "response"),
            [_constraints(row) for row in instructions],
            self._reward_model,
            seeds=_column(instructions, "seed"),
            cut_off=_column(instructions, "cut_off"),
            conversations=[unpacked(row["conversation"], row["seed"]) for row in instructions],
            kept=_column(instructions, "kept"),
            likelihood=self._likelihood,
            plan=self._plan,
        )
        rewards += score_problems(
            _column(problems, "response"),
            _column(problems, "check"),
            _column(problems, "answer"),
            self._grader,
            self._plan,
        )
        for row, reward in zip([*instructions, *problems], rewards, strict=True):
            row["reward"] = reward

    def _metrics(self, rows: Sequence[Row]) -> dict[str, float]:
        """The figures of the whole step, which the limits look at and the curriculum sees."""
        rewards = _column(rows, "reward")
        check_unscored(rewards, self._config.max_unscored_share)
        instructions, problems = _apart(rows)
        return {
            **(self._of_instructions(instructions) if instructions else {}),
            **problem_metrics(_column(problems, "reward"), _column(problems, "source")),
            "unscored_share": fmean(reward.total is None for reward in rewards),
            "zero_variance_share": zero_variance_share(_column(rows, "slot"), rewards),
            **self._before(),
        }

    def _of_instructions(self, rows: Sequence[Row]) -> dict[str, float]:
        constraints = [_constraints(row) for row in rows]
        rewards, levels = _column(rows, "reward"), _column(rows, "level")
        hacks = hack_metrics(
            _column(rows, "seed"), _column(rows, "response"), constraints, rewards, self._plan.reasoning
        )
        check_hacks(hacks, self._config.reward.max_hack_share)
        passed = self._config.curriculum.passed
        rates = [pass_rate(reward, of_row, passed) for reward, of_row in zip(rewards, constraints, strict=True)]
        for row, rate in zip(rows, rates, strict=True):
            self._seen.append(Rollout(row["slot"], row["prompt_id"], row["reward"].total, rate))
        return {
            **reward_metrics(rewards, constraints, levels),
            **turn_metrics(_column(rows, "kept"), _column(rows, "turns")),
            **hacks,
            **pass_metrics(rates, levels),
        }


def _of_dialog(row: Row, messages: Sequence[Mapping[str, Any]], reasoning: Reasoning) -> Row:
    """What changes in a row when the policy said what is in `messages`, before its response: the `conversation`, how many
    `turns` it answers, and what constraints are `kept`."""
    said = [dict(message) for message in messages_of(messages)]
    for place in spoken(said):
        said[place]["content"] = answer_of(said[place]["content"], reasoning).strip()
    asked = with_history(unpacked(row["conversation"], row["seed"]), said)
    kept = kept_before(asked, {"messages": said, "constraints": row["constraints"]})
    return {"conversation": packed(asked), "turns": len(spoken(said)) + 1, "kept": kept}


def pass_rate(reward: Reward, constraints: Sequence[Constraint], passed: str) -> float | None:
    """Of one rollout: the share of its hard constraints that hold, or with `all` 1 when all of them do; None without any."""
    hard = [part for part, constraint in zip(reward.parts, constraints, strict=True) if constraint.kind == "hard"]
    verdicts = [part for part in hard if part is not None]
    if not verdicts:
        return None
    return float(all(verdict == 1 for verdict in verdicts)) if passed == "all" else fmean(verdicts)


def pass_metrics(rates: Sequence[float | None], levels: Sequence[int]) -> dict[str, float]:
    """`pass_rate/level/<level>` over a step's rollouts."""
    by_level: dict[int, list[float]] = {}
    for rate, level in zip(rates, levels, strict=True):
        if rate is not None:
            by_level.setdefault(level, []).append(rate)
    return {f"pass_rate/level/{level}": fmean(values) for level, values in sorted(by_level.items())}


def _apart(rows: Sequence[Row]) -> tuple[list[Row], list[Row]]:
    """Instructions and problems."""
    return [row for row in rows if not row["check"]], [row for row in rows if row["check"]]


def _column(rows: Sequence[Row], name: str) -> list[Any]:
    return [row[name] for row in rows]


def _constraints(row: Row) -> list[Constraint]:
    return [constraint_of(item) for item in row["constraints"]]


def _parts(row: Row) -> str:
    """JSON: [[name, score or null], ...]."""
    names = [f"general:{row['source']}"] if row["check"] else [item["type"] for item in row["constraints"]]
    return json.dumps(list(zip(names, row["reward"].parts, strict=True)))
