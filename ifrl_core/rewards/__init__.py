"""From responses to rewards: rule verdicts and reward-model probabilities become one number, None where unscored."""

from ifrl_core.rewards.score import Reward, score_responses
from ifrl_core.rewards.task_drop import drops_task

__all__ = ["Reward", "drops_task", "score_responses"]
