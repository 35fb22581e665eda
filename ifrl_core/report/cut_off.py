"""Answers that the token budget cut off, before and after: how many, and which constraint types suffer."""

from collections.abc import Mapping
from typing import Any

from ifrl_core.report.text import count, listing, percent

Figures = Mapping[str, Any]
SIDES = ("before", "after")


def cut_off_section(figures: Mapping[str, Figures]) -> dict[str, Any] | None:
    """{"share": by side, "overall": by side, "types": rows}: types that suffer first, then by the gap after.

    `figures`: of stages, by output. None where an evaluation lacks what it is made of.
    """
    sides = {side: figures.get(side, {}) for side in SIDES}
    ends = {side: of_side["by_end"] for side, of_side in sides.items() if "by_end" in of_side}
    if len(ends) < len(SIDES):
        return None
    names = sorted({name for of_side in ends.values() for name in of_side["by_type"]})
    rows = [
        {"type": name, **{side: ends[side]["by_type"].get(name) for side in SIDES}, "suffers": _suffers(name, ends)}
        for name in names
    ]
    return {
        "share": {side: sides[side]["truncated"] for side in SIDES},
        "overall": {side: ends[side]["overall"] for side in SIDES},
        "types": sorted(rows, key=lambda row: (not row["suffers"], -_gap(row["after"]))),
    }


def cut_off_text(section: Figures) -> str:
    """What the policy's answers lose by being cut off, in a sentence; empty where none or all of them were."""
    cut, ended = (section["overall"]["after"][end] for end in ("cut_off", "ended"))
    if not (cut["n"] and ended["n"]):
        return ""
    suffering = [row["type"] for row in section["types"] if "after" in row["suffers"]]
    types = f" Types that suffer, clear of chance: {listing(suffering)}." if suffering else ""
    return (
        f"Of the hard constraints after training {percent(cut['mean'])} hold in answers that were cut off "
        f"({count(cut['n'])}) and {percent(ended['mean'])} in those that ended ({count(ended['n'])}).{types}"
    )


def _suffers(name: str, ends: Mapping[str, Figures]) -> list[str]:
    """The sides on which it does."""
    return [side for side in SIDES if name in ends[side]["suffers"]]


def _gap(ends: Figures | None) -> float:
    if ends is None or not (ends["cut_off"]["n"] and ends["ended"]["n"]):
        return -2.0
    return float(ends["ended"]["mean"] - ends["cut_off"]["mean"])
