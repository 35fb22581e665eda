"""Wherever rules judge, they are given the conversation that is answered: labels, rewards, the curve, held-out answers."""

import json
from collections.abc import Iterator
from typing import Any

from ifrl_core.config import LabelsConfig
from ifrl_core.constraints.catalog.registry import CATALOG
from ifrl_core.constraints.turn_types import EXAMPLE
from ifrl_core.evaluation.held_out import asked_rows as held_out_rows
from ifrl_core.inference import Completion
from ifrl_core.labels.contrasts import _ladder_contrasts
from ifrl_core.policy.curve import asked_rows
from ifrl_core.policy.measuring import HardConstraints
from ifrl_core.policy.profile.stage import rollout
from ifrl_core.policy.stage import training_prompts
from ifrl_core.records import Row, constraint_row, conversation_of, messages_of, packed, unpacked
from ifrl_core.rewards.score import score_responses
from ifrl_core.text.reasoning import THINK

HOLD = constraint_row(CATALOG["conversation:hold_rule"].constraint({"turn_number": 0}))
KEPT, BROKEN = "All is well. Fair winds.", "All is well."


def prompt(level: int, split: str = "train") -> Row:
    asked = EXAMPLE.asking(f"{EXAMPLE.request} {HOLD['text']}" if level else EXAMPLE.request)
    names = ("role", "content", "tools")
    return {
        "prompt_id": f"i-L{level}",
        "instruction_id": "i",
        "level": level,
        "messages": [{name: message.get(name) for name in names} for message in asked],
        "constraints": [HOLD][:level],
        "split": split,
    }


class Prompts:
    """A store of two rungs."""

    def rows(self, ref: Any, prefix: str = "") -> Iterator[Row]:
        yield from (prompt(0), prompt(1))


def answered(text: str) -> list[Row]:
    return [{"rollout_id": text, "sample": 0, "text": text, "answer_start": 0, "finish_reason": "stop"}]


def test_labels() -> None:
    ladder = [(prompt(0), answered(BROKEN)), (prompt(1), answered(KEPT))]
    [contrast] = _ladder_contrasts(LabelsConfig(), ladder, 0)
    assert [member.row["verdict"] for member in contrast.members] == [True, False]


def test_rewards_of_the_policy() -> None:
    [row] = training_prompts(None, Prompts())  # type: ignore[arg-type]
    asked = [unpacked(row["conversation"], row["seed"])] * 2
    hard = [[CATALOG[HOLD["type"]].constraint(json.loads(HOLD["args"]))]] * 2
    rewards = score_responses([KEPT, BROKEN], hard, None, conversations=asked)
    assert [reward.total for reward in rewards] == [1.0, 0.0]
    assert asked[0] == EXAMPLE


def test_the_curve_held_out_answers_and_the_profile() -> None:
    measured = HardConstraints(asked_rows("held_out", [prompt(0), prompt(1)], {1}, seed=0), THINK)
    assert [measured.point([text])["mean"] for text in (KEPT, BROKEN)] == [1.0, 0.0]
    [row] = held_out_rows({1}, 1, None, Prompts())  # type: ignore[arg-type]
    assert (row["conversation"], row["seed"]) == (EXAMPLE, EXAMPLE.request)
    said = [rollout(row, 0, Completion(text, "stop", 1, 1), THINK)["verdicts"] for text in (KEPT, BROKEN)]
    assert said == [[["conversation:hold_rule", True]], [["conversation:hold_rule", False]]]


def test_a_conversation_comes_back_as_it_was_packed() -> None:
    assert unpacked(packed(EXAMPLE), EXAMPLE.request) == EXAMPLE
    alone = conversation_of({"seed": "Name a fruit."})
    assert packed(alone) is None
    assert unpacked(None, "Name a fruit.") == alone
    assert messages_of(prompt(0)["messages"]) == EXAMPLE.messages
