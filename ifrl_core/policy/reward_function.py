"""The one reward function that trl calls: rewards of a batch of completions, with their metrics.

Instructions are rewarded by their constraints, general problems by the correctness of their answer. Metrics of rewards,
answers and hacking are of instructions; `general/…` are of problems; the share without spread is of all groups.
"""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from statistics import fmean
from typing import Any

from ifrl_core.config import PolicyConfig
from ifrl_core.constraints.model import Constraint
from ifrl_core.general.reward import problem_metrics, score_problems
from ifrl_core.general.verify import Grader
from ifrl_core.policy.clock import StepClock
from ifrl_core.policy.live import Rollout
from ifrl_core.rewards.batch import check_hacks, hack_metrics, reward_metrics, zero_variance_share
from ifrl_core.rewards.score import Reward, RewardModel, RewardPlan, check_unscored, score_responses
from ifrl_core.schemas import constraint_of

Columns = Mapping[str, Sequence[Any]]
Scored = tuple[Reward, list[str]]  # and the names of its parts
COLUMNS = ("response", "slot", "prompt_id", "level", "seed", "constraints", "check", "answer", "source")
Log = Callable[[str, float], None]


class PromptReward:
    """A callable class: trl names its metrics and its column of the completions table by `__name__`.

    `seen` gets what each rollout of an instruction showed; `before` gives metrics of the curriculum.
    """

    __name__ = "reward"

    def __init__(
        self,
        reward_model: RewardModel | None,
        *,
        plan: RewardPlan,
        config: PolicyConfig,
        clock: StepClock,
        seen: list[Rollout],
        before: Callable[[], Mapping[str, float]],
    ) -> None:
        self._reward_model, self._plan, self._config, self._clock = reward_model, plan, config, clock
        self._seen, self._before = seen, before
        self._grader = Grader()

    def __call__(
        self,
        *,
        completions: Sequence[Sequence[dict[str, str]]],
        log_metric: Log,
        log_extra: Callable[[str, list[Any]], None],
        **columns: Any,
    ) -> list[float | None]:
        """One reward a completion, None when it could not be scored. `columns` are those of job.POOL, and slot.

        Raises:
            UnscoredError: when more than `max_unscored_share` of them could not.
            HackError: when more than `max_hack_share` of the answers trip a wire.
        """
        start = time.perf_counter()
        columns["response"] = [completion[-1]["content"] for completion in completions]
        found: dict[int, Scored] = {}
        for is_problem, score in ((False, self._of_instructions), (True, self._of_problems)):
            chosen = [index for index, check in enumerate(columns["check"]) if bool(check) == is_problem]
            if chosen:
                rows = {name: [columns[name][index] for index in chosen] for name in COLUMNS}
                found |= zip(chosen, score(rows, log_metric), strict=True)
        scored = [found[index] for index in range(len(completions))]
        rewards = [reward for reward, _ in scored]
        check_unscored(rewards, self._config.max_unscored_share)
        log_metric("unscored_share", fmean(reward.total is None for reward in rewards))
        log_metric("zero_variance_share", zero_variance_share(columns["slot"], rewards))
        for name, value in self._before().items():
            log_metric(name, value)
        parts = [json.dumps(list(zip(names, reward.parts, strict=True))) for reward, names in scored]
        for column, values in (("prompt_id", columns["prompt_id"]), ("level", columns["level"]), ("parts", parts)):
            log_extra(column, list(values))
        self._clock.score += time.perf_counter() - start
        return [reward.total for reward in rewards]

    def _of_instructions(self, rows: Columns, log_metric: Log) -> list[Scored]:
        asked = [[constraint_of(item) for item in of_prompt] for of_prompt in rows["constraints"]]
        rewards = score_responses(rows["response"], asked, self._reward_model, seeds=rows["seed"], plan=self._plan)
        hacks = hack_metrics(rows["seed"], rows["response"], asked, rewards)
        rates = [
            pass_rate(reward, of, self._config.curriculum.passed) for reward, of in zip(rewards, asked, strict=True)
        ]
        metrics = {**reward_metrics(rewards, asked, rows["level"]), **hacks, **pass_metrics(rates, rows["level"])}
        for name, value in metrics.items():
            if name != "unscored_share":
                log_metric(name, value)
        check_hacks(hacks, self._config.reward.max_hack_share)
        for slot, prompt_id, reward, rate in zip(rows["slot"], rows["prompt_id"], rewards, rates, strict=True):
            self._seen.append(Rollout(slot, prompt_id, reward.total, rate))
        names = [[constraint.type for constraint in of_prompt] for of_prompt in asked]
        return list(zip(rewards, names, strict=True))

    def _of_problems(self, rows: Columns, log_metric: Log) -> list[Scored]:
        rewards = score_problems(rows["response"], rows["check"], rows["answer"], self._grader, self._plan)
        for name, value in problem_metrics(rewards, rows["source"]).items():
            log_metric(name, value)
        return [(reward, [f"general:{source}"]) for reward, source in zip(rewards, rows["source"], strict=True)]


def pass_rate(reward: Reward, asked: Sequence[Constraint], passed: str) -> float | None:
    """Of one rollout: the share of its hard constraints that hold, or with `all` 1 when all of them do; None without any."""
    hard = [part for part, constraint in zip(reward.parts, asked, strict=True) if constraint.kind == "hard"]
    known = [part for part in hard if part is not None]
    if not known:
        return None
    return float(all(known)) if passed == "all" else fmean(known)


def pass_metrics(rates: Sequence[float | None], levels: Sequence[int]) -> dict[str, float]:
    """`pass_rate/level/<level>` over a step's rollouts."""
    found: dict[int, list[float]] = {}
    for rate, level in zip(rates, levels, strict=True):
        if rate is not None:
            found.setdefault(level, []).append(rate)
    return {f"pass_rate/level/{level}": fmean(values) for level, values in sorted(found.items())}
