"""Held-out instructions: how many of their constraints a model satisfies, hard ones by rules, soft ones by the reward model.

Responses are scored as the policy's reward is, gates aside.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from statistics import fmean

import pyarrow as pa

from ifrl_core.artifacts import ArtifactRef, ArtifactStore
from ifrl_core.constraints.verifiers.scripts import count_words
from ifrl_core.evaluation.cut_off import by_end
from ifrl_core.evaluation.dialogs import compared_over_turns, over_turns
from ifrl_core.evaluation.difference import difference
from ifrl_core.evaluation.off_task import off_task
from ifrl_core.inference import Completion, Request, request_seed
from ifrl_core.models.folder import model_folder
from ifrl_core.records import Constraint, Row, constraint_of, conversation_of, readable, with_history
from ifrl_core.reward_model.model.scorer import Scorer
from ifrl_core.rewards.score import Reward, RewardPlan, score_responses
from ifrl_core.rewards.task_drop import drops_task
from ifrl_core.rewards.tripwires import tripped
from ifrl_core.rollouts.histories import KEPT
from ifrl_core.stages.stage import Figures, Inputs, Work
from ifrl_core.text.reasoning import Reasoning, answer_start

VERDICT = pa.struct(
    [
        ("type", pa.string()),
        ("kind", pa.string()),
        ("text", pa.string()),
        ("verdict", pa.bool_()),
        ("probability", pa.float64()),
    ]
)
ANSWERS = pa.schema(
    [
        ("prompt_id", pa.string()),
        ("instruction_id", pa.string()),
        ("level", pa.int32()),
        ("sample", pa.int32()),
        ("prompt", pa.string()),
        ("text", pa.string()),
        ("answer_start", pa.int32()),  # where in `text` the answer begins; at its end where the reasoning never ended
        ("finish_reason", pa.string()),
        ("completion_tokens", pa.int32()),
        ("task_dropped", pa.bool_()),  # by words, which the reward's gate trains on
        ("off_task", pa.bool_()),  # by an embedding that no training sees; null where its package is missing
        ("tripped", pa.list_(pa.string())),  # names of the trip-wires (rewards/tripwires.py)
        ("verdicts", pa.list_(VERDICT)),  # of each constraint: a rule's verdict (hard) or the RM's probability (soft)
    ]
)


def asked_rows(levels: Collection[int], samples: int, prompts: ArtifactRef, store: ArtifactStore) -> list[Row]:
    """Each held-out prompt of the levels, `samples` times; `conversation` is what its instruction began with, and `seed` the
    last turn of that."""
    rows = list(store.rows(prompts, prefix="part-held_out-"))
    begun = {row["instruction_id"]: conversation_of(row) for row in rows if row["level"] == 0}
    asked = [(row, begun[row["instruction_id"]]) for row in rows if row["level"] in levels]
    return [
        {**row, "seed": first.request, "conversation": with_history(first, row["messages"]), "sample": sample}
        for row, first in asked
        for sample in range(samples)
    ]


def requests_of(rows: Sequence[Row], seed: int) -> list[Request]:
    """A request a row of `asked_rows`; `seed` is the run's random seed."""
    return [Request(row["messages"], request_seed(seed, row["prompt_id"], row["sample"])) for row in rows]


def answers(rows: Sequence[Row], completions: Sequence[Completion], inputs: Inputs, work: Work) -> list[Row]:
    """Rows of ANSWERS; inputs: reward_model."""
    from ifrl_core.reward_model.model.score import RewardModel

    scorer = RewardModel(model_folder(inputs["reward_model"], work.store))
    work.provenance["scoring"] = scorer.dtype
    return scored_answers(rows, completions, scorer, work.reasoning)


def scored_answers(
    rows: Sequence[Row], completions: Sequence[Completion], scorer: Scorer | None, reasoning: Reasoning
) -> list[Row]:
    """Rows of ANSWERS, each completion read as `reasoning` says. Without a scorer soft constraints are unscored."""
    constraints = [[constraint_of(item) for item in row["constraints"]] for row in rows]
    texts = [completion.text for completion in completions]
    asked, plan = [row.get("conversation") for row in rows], RewardPlan(reasoning=reasoning)
    rewards = score_responses(texts, constraints, scorer, conversations=asked, plan=plan)
    starts = [answer_start(text, reasoning) for text in texts]
    by_meaning = off_task(
        [row["seed"] for row in rows], [text[start:] for text, start in zip(texts, starts, strict=True)]
    )
    judged = zip(rows, completions, starts, constraints, rewards, by_meaning, strict=True)
    return [{**_answer(*of_answer), "off_task": flag} for *of_answer, flag in judged]


def answers_schema(rows: Sequence[Row]) -> pa.Schema:
    """ANSWERS; with `kept` (rollouts/standing.py) of prompts whose histories a model made."""
    return ANSWERS.append(KEPT) if any("kept" in row for row in rows) else ANSWERS


def answer_in(row: Row) -> str:
    """The answer of a row of ANSWERS; rows of earlier versions have no start, and count whole."""
    return str(row["text"][row.get("answer_start") or 0 :])


def _answer(row: Row, completion: Completion, start: int, constraints: Sequence[Constraint], reward: Reward) -> Row:
    answer = completion.text[start:]
    wires = tripped(row["seed"], answer, constraints, reward.parts, called=reward.called)
    return {
        **{name: row[name] for name in ("prompt_id", "instruction_id", "level", "sample")},
        "prompt": readable(row["messages"]),
        "text": completion.text,
        "answer_start": start,
        "finish_reason": completion.finish_reason,
        "completion_tokens": completion.completion_tokens,
        "task_dropped": not reward.called and drops_task(row["seed"], answer),
        "tripped": [name for name, has_tripped in wires.items() if has_tripped],
        "verdicts": [_verdict(*of_part) for of_part in zip(constraints, reward.parts, strict=True)],
        **({"kept": row["kept"]} if "kept" in row else {}),
    }


def _verdict(constraint: Constraint, part: float | None) -> Row:
    hard = constraint.kind == "hard"
    return {
        "type": constraint.type,
        "kind": constraint.kind,
        "text": constraint.text,
        "verdict": bool(part) if hard and part is not None else None,
        "probability": None if hard else part,
    }


def satisfaction(rows: Sequence[Row]) -> Figures:
    """Shares over (answer, constraint) pairs: hard by rules, soft as mean RM probability; overall, by type, by level.

    None where nothing could be scored. `length_words` is the mean answer length; `task_dropped` the share of answers that
    drop the task itself by words (rewards/task_drop.py), `off_task` by an embedding (off_task.py); `hacked` the share that
    trips a wire (rewards/tripwires.py); `truncated` the share ended by the token budget, `by_end` what that costs
    (cut_off.py); `unclosed` the number of responses that end inside their reasoning; `over_turns` (dialogs.py).
    """
    by_meaning = [row.get("off_task") for row in rows]
    scores: dict[str, dict[str, list[float]]] = {name: defaultdict(list) for name in ("hard", "soft")}
    for row in rows:
        for item in row["verdicts"]:
            if (score := _score(item)) is not None:
                for name in ("overall", f"type/{item['type']}", f"level/{row['level']}"):
                    scores[item["kind"]][name].append(score)
    return {
        **{kind: _shares(groups) for kind, groups in scores.items()},
        "answers": len(rows),
        "length_words": _mean_of(count_words(answer_in(row)) for row in rows),
        "task_dropped": _mean_of(row["task_dropped"] for row in rows),
        "off_task": None if None in by_meaning else _mean_of(bool(flag) for flag in by_meaning),
        "hacked": _mean_of(bool(row["tripped"]) for row in rows),
        "truncated": _mean_of(row["finish_reason"] == "length" for row in rows),
        "by_end": by_end(rows),
        "unclosed": sum(bool(row["text"].strip()) and not answer_in(row) for row in rows),
        **over_turns(rows),
    }


def _score(item: Row) -> float | None:
    score = item["verdict" if item["kind"] == "hard" else "probability"]
    return None if score is None else float(score)


def _shares(groups: Mapping[str, list[float]]) -> Figures:
    def below(prefix: str) -> Figures:
        parts = {name[len(prefix) :]: scores for name, scores in sorted(groups.items()) if name.startswith(prefix)}
        return {name: {"mean": fmean(scores), "n": len(scores)} for name, scores in parts.items()}

    overall = groups.get("overall", [])
    return {
        "overall": {"mean": _mean_of(overall), "n": len(overall)},
        "by_type": below("type/"),
        "by_level": below("level/"),
    }


def compared(before: Sequence[Row], after: Sequence[Row]) -> Figures:
    """`hard`, `soft`: satisfied constraints that both sides could score; `answer`: how answers changed otherwise;
    `over_turns` of dialogs whose earlier answers are the models' own (dialogs.py)."""
    return {
        "hard": _compare_kind(before, after, "hard"),
        "soft": _compare_kind(before, after, "soft"),
        "answer": {
            "length_words": _compare_answers(before, after, lambda row: count_words(answer_in(row)), scale=1.0),
            "task_dropped": _compare_answers(before, after, lambda row: row["task_dropped"]),
            "off_task": _compare_answers(before, after, lambda row: row.get("off_task")),
            "hacked": _compare_answers(before, after, lambda row: bool(row["tripped"])),
            "truncated": _compare_answers(before, after, lambda row: row["finish_reason"] == "length"),
        },
        **compared_over_turns(before, after),
    }


def _compare_kind(before: Sequence[Row], after: Sequence[Row], kind: str) -> Figures:
    pairs = [pair for sides in zip(before, after, strict=True) for pair in _constraint_pairs(*sides, kind)]
    types, levels = sorted({pair["type"] for pair in pairs}), sorted({pair["level"] for pair in pairs})
    return {
        "overall": difference(pairs),
        "by_type": {name: difference([pair for pair in pairs if pair["type"] == name]) for name in types},
        "by_level": {str(level): difference([pair for pair in pairs if pair["level"] == level]) for level in levels},
    }


def _constraint_pairs(before: Row, after: Row, kind: str) -> list[Row]:
    """The scores of an answer's constraints of that kind on both sides, where both have one."""
    assert (before["prompt_id"], before["sample"]) == (after["prompt_id"], after["sample"]), (
        "evaluations are not of the same prompts"
    )
    shared = {"level": before["level"], "cluster": before["instruction_id"]}
    scores = (
        (item, _score(item), _score(other)) for item, other in zip(before["verdicts"], after["verdicts"], strict=True)
    )
    return [
        {"type": item["type"], **shared, "before": first, "after": second}
        for item, first, second in scores
        if item["kind"] == kind and first is not None and second is not None
    ]


def _compare_answers(
    before: Sequence[Row], after: Sequence[Row], value: Callable[[Row], float | None], *, scale: float = 100.0
) -> Figures:
    """Of answers where both sides have a value."""
    sides = ((old["instruction_id"], value(old), value(new)) for old, new in zip(before, after, strict=True))
    pairs = [
        {"before": first, "after": second, "cluster": instruction}
        for instruction, first, second in sides
        if first is not None and second is not None
    ]
    return difference(pairs, scale=scale)


def _mean_of(values: Iterable[float]) -> float | None:
    """The mean; None of no values, as nothing was measured then."""
    present = list(values)
    return fmean(present) if present else None
