"""What the token budget costs: hard constraints in answers that it cut off, against those in answers that ended."""

from collections import Counter, defaultdict
from collections.abc import Sequence

from ifrl_core.records import Row
from ifrl_core.stages.stage import Figures
from ifrl_core.statistics.intervals import difference_of_shares

ENDS = ("cut_off", "ended")


def by_end(rows: Sequence[Row]) -> Figures:
    """Satisfied hard constraints by how an answer ended, overall and by type; `rows` of evaluation.held_out.ANSWERS.

    `suffers`: the types that cut-off answers satisfy less often, clear of chance (95%, constraints taken to be independent).
    Answers are not cut off by chance (longer ones are), so that this says where to look and is no effect.
    """
    passed, asked = (defaultdict[str, Counter[str]](Counter) for _ in range(2))
    for row in rows:
        end = "cut_off" if row["finish_reason"] == "length" else "ended"
        for item in row["verdicts"]:
            if item["kind"] == "hard" and item["verdict"] is not None:
                for name in ("", item["type"]):
                    asked[name][end] += 1
                    passed[name][end] += item["verdict"]
    shares = {name: _shares(passed[name], asked[name]) for name in sorted(asked)}
    suffers = [name for name in shares if name and _lower(passed[name], asked[name])]
    return {"overall": shares.pop("", _shares(Counter(), Counter())), "by_type": shares, "suffers": suffers}


def _shares(passed: Counter[str], asked: Counter[str]) -> Figures:
    return {end: {"mean": passed[end] / asked[end] if asked[end] else None, "n": asked[end]} for end in ENDS}


def _lower(passed: Counter[str], asked: Counter[str]) -> bool:
    """Whether the share of cut-off answers is lower, clear of chance."""
    if not all(asked[end] for end in ENDS):
        return False
    cut, ended = ((passed[end], asked[end]) for end in ENDS)
    return difference_of_shares(cut, ended).high < 0
