"""Answers of both models to the same prompts, side by side: a fixed choice that nobody made, and the two ends.

`fixed` rows are the first by a hash of the prompt, whatever their answers are; `improved` and `regressed` have the largest
change in satisfied constraints. The page says which is which, because the ends are not typical.
"""

from statistics import fmean

from ifrl_core.artifacts import ArtifactRef, ArtifactStore
from ifrl_core.constraints.verifiers.scripts import count_words
from ifrl_core.evaluation.held_out import answer_in
from ifrl_core.records import Row, printable
from ifrl_core.statistics.by_hash import rank_by_hash

FIXED, IMPROVED, REGRESSED = 4, 2, 2


def sample_answers(before: ArtifactRef, after: ArtifactRef, store: ArtifactStore) -> list[Row]:
    """[{"why", "prompt_id", "level", "prompt", "before", "after", "change"}]; a side holds the answer's text, words
    and verdicts, and whether the response ended inside its reasoning."""
    rows = zip(store.rows(before), store.rows(after), strict=True)
    pairs = sorted(((old, new) for old, new in rows), key=lambda pair: _hash(pair[0]))
    changes = [_change(old, new) for old, new in pairs]
    ranked = sorted(
        (index for index, change in enumerate(changes) if change is not None), key=lambda i: changes[i] or 0
    )
    chosen = dict.fromkeys(range(min(FIXED, len(pairs))), "fixed")
    for why, indices in (("improved", ranked[::-1]), ("regressed", ranked)):
        sign = 1 if why == "improved" else -1
        ends = [index for index in indices if index not in chosen and sign * (changes[index] or 0) > 0]
        chosen |= dict.fromkeys(ends[: IMPROVED if why == "improved" else REGRESSED], why)
    return [_row(*pairs[index], change=changes[index], why=why) for index, why in chosen.items()]


def _hash(row: Row) -> bytes:
    return rank_by_hash("report", row["prompt_id"], row["sample"])


def _change(old: Row, new: Row) -> float | None:
    """Change in the share of hard constraints satisfied; None when there is none that both sides could score."""
    shares = [_satisfied(side) for side in (old, new)]
    return None if shares[0] is None or shares[1] is None else shares[1] - shares[0]


def _satisfied(row: Row) -> float | None:
    verdicts = [item["verdict"] for item in row["verdicts"] if item["verdict"] is not None]
    return fmean(verdicts) if verdicts else None


def _row(old: Row, new: Row, *, change: float | None, why: str) -> Row:
    shared = {key: old[key] for key in ("prompt_id", "level", "sample")}
    return {
        **shared,
        "why": why,
        "change": change,
        "prompt": printable(old["prompt"]),
        "before": _side(old),
        "after": _side(new),
    }


def _side(row: Row) -> Row:
    return {
        "text": printable(answer_in(row)),
        "words": round(count_words(answer_in(row))),
        "unclosed": bool(row["text"].strip()) and not answer_in(row),
        "truncated": row["finish_reason"] == "length",
        "task_dropped": row["task_dropped"],
        "tripped": row["tripped"],
        "verdicts": row["verdicts"],
    }
