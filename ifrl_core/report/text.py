"""How the report writes numbers: one place, so that page and summary agree. None is written as an en dash."""

import math
import re
from collections.abc import Mapping, Sequence

from markupsafe import Markup, escape

NOTHING = "–"
IFEVAL = {
    "inst_strict": "instruction level, strict",
    "inst_loose": "instruction level, loose",
    "prompt_strict": "prompt level, strict",
    "prompt_loose": "prompt level, loose",
}

ANSWER_MEASURES = {  # of a comparison's `answer`, shares in per cent
    "length_words": "words an answer",
    "task_dropped": "answers that drop the task, by words as the reward's gate, %",
    "off_task": "answers that leave the task, by an embedding that training never saw, %",
    "hacked": "answers that trip a wire (please the checker, not the reader), %",
    "truncated": "answers cut off by the token budget, %",
}

_SAID = ("[tools] ", "[system] ", "[user] ", "[assistant] ")


def percent(share: float | None, digits: int = 0) -> str:
    """A share in [0, 1] as per cent: 0.287 -> "29%"."""
    return NOTHING if share is None else f"{100 * share:.{digits}f}%"


def fixed(value: float | None, digits: int = 1) -> str:
    return NOTHING if value is None else _minus(f"{value:,.{digits}f}")


def signed(value: float | None, digits: int = 1) -> str:
    """A difference, its sign always shown: 33.04 -> "+33.0"."""
    if value is None:
        return NOTHING
    written = f"{value:+.{digits}f}"
    return _minus(written) if float(written) else written[1:]


def interval(low: float | None, high: float | None, digits: int = 1) -> str:
    """A 95% interval of a difference: "[+22.0, +44.1]"."""
    return "" if low is None or high is None else f"[{signed(low, digits)}, {signed(high, digits)}]"


def points(share: float | None) -> str:
    """A difference of shares in points, its sign shown: 0.086 -> "+8.6"."""
    return signed(None if share is None else 100 * share)


def points_interval(low: float | None, high: float | None) -> str:
    """A 95% interval of a difference of shares, in points: "[+4.2, +12.9]"."""
    return "" if low is None or high is None else interval(100 * low, 100 * high)


def percent_interval(low: float | None, high: float | None) -> str:
    """A 95% interval of a share: "22–36%"."""
    return "" if low is None or high is None else f"{100 * low:.0f}–{100 * high:.0f}%"


def measured(value: float | None, unit: str) -> str:
    """A benchmark's figure: a share as "28.7%", a score, turns or levels as "6.43"."""
    return percent(value, 1) if unit == "share" else fixed(value, 2)


def measured_interval(low: float | None, high: float | None, unit: str) -> str:
    """Its 95% interval: "22.1–36.0%", "5.91–6.80"."""
    if low is None or high is None:
        return ""
    return f"{100 * low:.1f}–{100 * high:.1f}%" if unit == "share" else f"{fixed(low, 2)}–{fixed(high, 2)}"


def shift(row: Mapping[str, float | None], unit: str) -> str:
    """The difference of a comparison with its interval: "+2.1 [−0.4, +4.5]"; shares in points."""
    digits = 1 if unit == "share" else 2
    return f"{signed(row['mean'], digits)} {interval(row['low'], row['high'], digits)}".strip()


def duration(seconds: float | None) -> str:
    """Wall time as people say it: 0.03 -> "0.03 s", 108.8 -> "1 min 49 s"."""
    if seconds is None:
        return NOTHING
    if seconds < 10:
        return f"{seconds:.2g} s" if seconds < 1 else f"{seconds:.1f} s"
    if round(seconds) < 60:
        return f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"


def count(value: float | None) -> str:
    return NOTHING if value is None else f"{value:,.0f}"


def things(number: float, name: str) -> str:
    """A count with its noun: 1 -> "1 hard type", 2 -> "2 hard types"."""
    return f"{count(number)} {name}{'' if number == 1 else 's'}"


def value(item: object) -> str:
    """Any configured value or figure, in one line."""
    if isinstance(item, float) and math.isfinite(item):
        return _minus(f"{item:.4g}") if abs(item) < 1e5 else f"{item:,.0f}"
    if item is None:
        return NOTHING
    if isinstance(item, list | tuple):
        return ", ".join(value(part) if not isinstance(part, list) else f"[{value(part)}]" for part in item) or NOTHING
    return str(item)


def breakable(name: str) -> Markup:
    """A type's name that may be broken after its colon and underscores."""
    return Markup(re.sub(r"([:_])", r"\1<wbr>", str(escape(name))))


def turns(text: str) -> tuple[str, str]:
    """What `records.readable` made of a conversation: all before its last user turn, and that; "" before a text alone.

    >>> turns("[user] Hello.\n\n[assistant] Hi.\n\n[user] Bye.")
    ('[user] Hello.\n\n[assistant] Hi.', 'Bye.')
    """
    before, _, last = text.rpartition("\n\n[user] ")
    return (before, last) if before.startswith(_SAID) else ("", text)


def listing(names: Sequence[str], most: int = 8) -> str:
    """The first names, and how many more there are."""
    rest = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + rest


def _minus(text: str) -> str:
    return text.replace("-", "−")
