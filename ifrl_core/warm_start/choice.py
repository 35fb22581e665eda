"""Which answers a warm start learns from: built calls and the model's own, types of constraints in turn."""

from collections import Counter
from collections.abc import Mapping, Sequence

import pyarrow as pa

from ifrl_core.records import TURN, Row, unpacked
from ifrl_core.statistics.by_hash import rank_by_hash
from ifrl_core.text.reasoning import Reasoning
from ifrl_core.warm_start.calls import AsSaid, calling
from ifrl_core.warm_start.own import hard_ones, reads_well, right_answers

DEMONSTRATION = pa.schema(
    [
        ("prompt_id", pa.string()),
        ("prompt", pa.list_(TURN)),
        ("response", pa.string()),
        ("types", pa.list_(pa.string())),  # of the hard constraints that it meets
        ("source", pa.string()),  # own: an answer of the model; built: by rules
    ]
)


def demonstrations(
    prompts: Sequence[Row],
    rollouts: Sequence[Row],
    instructions: Mapping[str, str],
    reasoning: Reasoning,
    as_said: AsSaid,
    *,
    limit: int,
    seed: int,
) -> list[Row]:
    """At most `limit` rows of DEMONSTRATION, and no more than there are: each in turn of the type that has had the fewest so
    far, of such the rarest. So what few answers meet comes more than once, in the place of what most do.

    `prompts`: rows of policy.job.POOL; `rollouts`: of the round, those to other prompts among them; `instructions`: the
    instruction of every prompt, by their ids; `as_said`: how the model writes calls."""
    built = [(asked, call) for asked in prompts if (call := _call(asked, reasoning, as_said)) is not None]
    own = right_answers(prompts, rollouts, instructions, reasoning)
    rows = [_row(*pair, "built") for pair in built] + [_row(*pair, "own") for pair in own]
    rows.sort(key=lambda row: rank_by_hash("warm-start", seed, row["prompt_id"], row["response"]))
    return _in_turn(rows, min(limit, len(rows)))


def _call(asked: Row, reasoning: Reasoning, as_said: AsSaid) -> str | None:
    conversation = unpacked(asked["conversation"], asked["seed"])
    call = calling(hard_ones(asked), conversation, as_said, reasoning.calls) if conversation.tools else None
    return call if call is not None and reads_well(asked, call, reasoning) else None


def _row(asked: Row, response: str, source: str) -> Row:
    types = sorted({constraint.type for constraint in hard_ones(asked)})
    told = {name: asked[name] for name in ("prompt_id", "prompt")}
    return {**told, "response": response, "types": types, "source": source}


def _in_turn(rows: Sequence[Row], count: int) -> list[Row]:
    of_all = Counter(name for row in rows for name in row["types"])
    had: Counter[str] = Counter()
    used = [0] * len(rows)
    taken = []
    for _ in range(count):
        place = min(range(len(rows)), key=lambda at: min((had[n], used[at], of_all[n]) for n in rows[at]["types"]))
        used[place] += 1
        had.update(rows[place]["types"])
        taken.append(rows[place])
    return taken
