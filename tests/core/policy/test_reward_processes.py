"""The reward function of one process among several: its own rewards, everyone's metrics."""

from collections.abc import Callable
from typing import Any

import pytest

from ifrl_core.config import PolicyConfig
from ifrl_core.errors import UnscoredError
from ifrl_core.policy.reward_function import PromptReward
from ifrl_core.rewards.score import RewardPlan
from ifrl_core.training.clock import StepClock

COMMA = {"type": "punctuation:no_comma", "kind": "hard", "text": "Use no comma.", "args": "{}"}
SOFT = {"type": "tone:formal", "kind": "soft", "text": "Be formal.", "args": "{}"}


def call(reward: PromptReward, texts: list[str], ids: list[str], constraint: dict[str, str]) -> tuple[Any, Any]:
    metrics: dict[str, float] = {}
    made = reward(
        completions=[[{"role": "assistant", "content": text}] for text in texts],
        completion_ids=[[2]] * len(texts),
        prompt_id=ids,
        level=[1] * len(texts),
        slot=[0 if name == ids[0] else 1 for name in ids],
        conversation=[None] * len(texts),
        check=[None] * len(texts),
        answer=[None] * len(texts),
        source=[None] * len(texts),
        seed=["Name two animals."] * len(texts),
        constraints=[[constraint]] * len(texts),
        log_metric=metrics.__setitem__,
        log_extra=lambda name, values: None,
    )
    return made, metrics


def reward_of(max_unscored_share: float, gather: Callable[[list[Any]], list[Any]] = list) -> PromptReward:
    config, plan = PolicyConfig(max_unscored_share=max_unscored_share), RewardPlan(intent_factor=1.0)
    return PromptReward(None, plan=plan, config=config, clock=StepClock(), seen=[], before=dict, gather=gather)


def test_a_process_gets_its_own_rewards_and_the_metrics_of_all() -> None:
    one = reward_of(max_unscored_share=0)
    texts, ids = ["a cat and a dog", "a cat, a dog", "a cow, a hen", "an ant, a bee"], ["p", "p", "p", "q"]
    whole, figures = call(one, texts, ids, COMMA)
    assert whole == [1.0, 0.0, 0.0, 0.0]
    assert figures["zero_variance_share"] == 0.5

    # The group of prompt p is split between two processes; each sees what both have.
    parts: list[list[Any]] = []
    keep = reward_of(max_unscored_share=0, gather=lambda rows: parts.append(rows) or rows)
    call(keep, texts[:2], ids[:2], COMMA), call(keep, texts[2:], ids[2:], COMMA)
    both = reward_of(max_unscored_share=0, gather=lambda rows: parts[0] + parts[1])
    for half in (slice(0, 2), slice(2, 4)):
        mine, seen = call(both, texts[half], ids[half], COMMA)
        assert mine == whole[half]
        assert seen == figures


def test_the_limit_of_unscored_rewards_is_over_all_processes() -> None:
    scored = reward_of(max_unscored_share=0)
    rows: list[Any] = []
    call(reward_of(max_unscored_share=1, gather=lambda mine: rows.extend(mine) or mine), ["yes"], ["q"], SOFT)
    assert call(scored, ["yes"] * 3, ["p"] * 3, COMMA)[0] == [1.0] * 3
    with pytest.raises(UnscoredError):
        call(reward_of(max_unscored_share=0.2, gather=lambda mine: mine + rows), ["yes"] * 3, ["p"] * 3, COMMA)
    call(reward_of(max_unscored_share=0.3, gather=lambda mine: mine + rows), ["yes"] * 3, ["p"] * 3, COMMA)
