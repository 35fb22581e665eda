"""The reward function of a model that learns to write constraints: PromptReward for replies that are judged as writing."""

from collections.abc import Sequence
from typing import Any

from ifrl_core.policy.live import Rollout
from ifrl_core.policy.reward_function import PromptReward
from ifrl_core.records import Row, constraint_row
from ifrl_core.rewards.step_figures import zero_variance_share
from ifrl_core.rewards.writing import WritingPlan, read_writing, writing_rewards, writing_shares


class WritingReward(PromptReward):
    """Rewards of written constraints; the prompts ask for them and have none of their own."""

    def __init__(self, writing: WritingPlan, **named: Any) -> None:
        super().__init__(None, **named)
        self._writing = writing

    def _score(self, rows: Sequence[Row]) -> None:
        config, reasoning = self._writing.instructions, self._plan.reasoning
        readings = [
            read_writing(row["response"], row["seed"], config, reasoning, truncated=row["cut_off"]) for row in rows
        ]
        rewards = writing_rewards(readings, self._writing, of_step=self._gather(readings))
        for row, reading, reward in zip(rows, readings, rewards, strict=True):
            row["reading"], row["reward"] = reading, reward
            row["constraints"] = [constraint_row(item) for item in reading.constraints]

    def _metrics(self, rows: Sequence[Row]) -> dict[str, float]:
        for row in rows:
            self._seen.append(Rollout(row["slot"], row["prompt_id"], row["reward"].total, None))
        shares = writing_shares([row["reading"] for row in rows])
        flat = zero_variance_share([row["slot"] for row in rows], [row["reward"] for row in rows])
        return {
            **{f"writing/{name}": share for name, share in shares.items()},
            "unscored_share": 0.0,
            "zero_variance_share": flat,
            **self._before(),
        }
