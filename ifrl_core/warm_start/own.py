"""Answers of the model's own that are right: of the rollouts of the round, by rules.

The prompt need not be the one that was answered, only a rung of the same instruction (hindsight, as in HiR, arXiv
2512.23457): of the demo's 355 rollouts 14 are right at their own.
"""

from collections.abc import Iterator, Mapping, Sequence

from ifrl_core.records import Constraint, Row, constraint_of, unpacked
from ifrl_core.rewards.calls import calls_a_tool
from ifrl_core.rewards.gates import is_degenerate
from ifrl_core.rewards.score import RewardPlan, score_responses
from ifrl_core.rewards.tripwires import tripped
from ifrl_core.text.reasoning import Reasoning, answer_of

_RESULT = "<tool_response>"  # of models/chat_form.py


def right_answers(
    prompts: Sequence[Row], rollouts: Sequence[Row], instructions: Mapping[str, str], reasoning: Reasoning
) -> Iterator[tuple[Row, str]]:
    """(prompt, response), each once: responses that ended by themselves, meet all hard constraints and trip no wire.

    `prompts`: rows of policy.job.POOL; `instructions`: the instruction of every prompt, by their ids."""
    rungs: dict[str, list[Row]] = {}
    for row in prompts:
        rungs.setdefault(instructions[row["prompt_id"]], []).append(row)
    ended = [row for row in rollouts if row["finish_reason"] == "stop"]
    pairs = [(rung, row["text"]) for row in ended for rung in rungs.get(instructions[row["prompt_id"]], [])]
    seen = set()
    for asked, response in meeting(pairs, reasoning):
        key = (asked["prompt_id"], response)
        if key not in seen and reads_well(asked, response, reasoning):
            seen.add(key)
            yield asked, response


def reads_well(asked: Row, response: str, reasoning: Reasoning) -> bool:
    """Whether an answer that meets its hard constraints trips no wire, goes round in no circles and does not speak for a
    tool."""
    answer, rules = answer_of(response, reasoning), hard_ones(asked)
    called = calls_a_tool(answer, unpacked(asked["conversation"], asked["seed"]), reasoning.calls)
    found = tripped(asked["seed"], answer, rules, [1.0] * len(rules), called=called)
    return _RESULT not in answer and not is_degenerate(answer) and not any(found.values())


def hard_ones(asked: Row) -> list[Constraint]:
    return [constraint for constraint in map(constraint_of, asked["constraints"]) if constraint.kind == "hard"]


def meeting(pairs: Sequence[tuple[Row, str]], reasoning: Reasoning) -> Iterator[tuple[Row, str]]:
    """Of (prompt, response) those whose answer meets the hard constraints; none where there are none."""
    kept = [(asked, response, rules) for asked, response in pairs if (rules := hard_ones(asked))]
    rewards = score_responses(
        [response for _, response, _ in kept],
        [rules for _, _, rules in kept],
        None,
        conversations=[unpacked(asked["conversation"], asked["seed"]) for asked, _, _ in kept],
        plan=RewardPlan(reasoning=reasoning),
    )
    for (asked, response, _), reward in zip(kept, rewards, strict=True):
        if all(part == 1 for part in reward.parts):
            yield asked, response
