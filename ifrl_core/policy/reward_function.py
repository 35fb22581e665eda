"""The one reward function that trl calls: constraint rewards of a batch of completions, with their metrics.

With several processes each scores its own completions, and the metrics, checks and limits are over those of all of them.
"""

import json
import time
from collections.abc import Callable, Sequence
from typing import Any

from ifrl_core.policy.clock import StepClock
from ifrl_core.rewards.batch import check_hacks, hack_metrics, reward_metrics, zero_variance_share
from ifrl_core.rewards.score import RewardModel, RewardPlan, check_unscored, score_responses
from ifrl_core.schemas import constraint_of


class ConstraintReward:
    """A callable class: trl names its metrics and its column of the completions table by `__name__`."""

    __name__ = "reward"

    def __init__(
        self,
        reward_model: RewardModel | None,
        *,
        plan: RewardPlan,
        max_unscored_share: float,
        max_hack_share: float,
        clock: StepClock,
        gather: Callable[[list[Any]], list[Any]] = list,
    ) -> None:
        """`gather` gives the list of every process, in their order, one after another (accelerate's gather_object)."""
        self._reward_model, self._plan, self._clock = reward_model, plan, clock
        self._max_unscored_share, self._max_hack_share = max_unscored_share, max_hack_share
        self._gather = gather

    def __call__(
        self,
        *,
        completions: Sequence[Sequence[dict[str, str]]],
        prompt_id: Sequence[str],
        level: Sequence[int],
        stage: Sequence[int],
        seed: Sequence[str],
        constraints: Sequence[Sequence[dict[str, str]]],
        log_metric: Callable[[str, float], None],
        log_extra: Callable[[str, list[Any]], None],
        **_: Any,
    ) -> list[float | None]:
        """One reward a completion, None when it could not be scored.

        Raises:
            UnscoredError: when more than `max_unscored_share` of them could not.
            HackError: when more than `max_hack_share` of the answers trip a wire.
        """
        start = time.perf_counter()
        responses = [completion[-1]["content"] for completion in completions]
        asked = [[constraint_of(item) for item in of_prompt] for of_prompt in constraints]
        rewards = score_responses(responses, asked, self._reward_model, seeds=seed, plan=self._plan)
        metrics = self._metrics_of_all(
            list(zip(seed, responses, asked, rewards, level, prompt_id, strict=True)), stage=stage[0]
        )
        for name, value in metrics.items():
            log_metric(name, value)
        parts = [
            json.dumps([[c.type, part] for c, part in zip(of_prompt, reward.parts, strict=True)])
            for of_prompt, reward in zip(asked, rewards, strict=True)
        ]
        for column, values in (("prompt_id", prompt_id), ("level", level), ("parts", parts)):
            log_extra(column, list(values))
        self._clock.score += time.perf_counter() - start
        return [reward.total for reward in rewards]

    def _metrics_of_all(self, rows: list[tuple[Any, ...]], *, stage: int) -> dict[str, float]:
        """The figures of the whole step; every process comes to the same, and to the same error."""
        seeds, responses, asked, rewards, levels, prompt_ids = zip(*self._gather(rows), strict=True)
        check_unscored(rewards, self._max_unscored_share)
        hacks = hack_metrics(seeds, responses, asked, rewards)
        check_hacks(hacks, self._max_hack_share)
        return {
            **reward_metrics(rewards, asked, levels),
            **hacks,
            "zero_variance_share": zero_variance_share(prompt_ids, rewards),
            "stage": float(stage),
        }
