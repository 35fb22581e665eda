"""Rules on numbers: none at all, a given one, an order, dates, times, quantities with a unit."""

import re
from datetime import datetime
from functools import lru_cache
from itertools import pairwise

from ifrl_core.constraints.verifiers.arguments import Choice, Integer
from ifrl_core.constraints.verifiers.rule import Rule
from ifrl_core.constraints.verifiers.view import View

_DIGIT = re.compile(r"\d")
_NUMBER = re.compile(r"[0-9]+")
_CLOCK = re.compile(r"(?<!\d)(?:[01]?[0-9]|2[0-3]):[0-5][0-9](?!\d)")
_MONTH = r"(?:January|February|March|April|May|June|July|August|September|October|November|December)"
# Name of a format -> what a candidate looks like, and how it is read.
DATE_FORMATS = {
    "YYYY-MM-DD": (re.compile(r"(?<!\d)\d{4}-\d{2}-\d{2}(?!\d)", re.ASCII), "%Y-%m-%d"),
    "DD/MM/YYYY": (re.compile(r"(?<!\d)\d{2}/\d{2}/\d{4}(?!\d)", re.ASCII), "%d/%m/%Y"),
    "Month D, YYYY": (re.compile(rf"\b{_MONTH} \d{{1,2}}, \d{{4}}(?!\d)", re.ASCII | re.IGNORECASE), "%B %d, %Y"),
    "D Month YYYY": (re.compile(rf"(?<!\d)\d{{1,2}} {_MONTH} \d{{4}}(?!\d)", re.ASCII | re.IGNORECASE), "%d %B %Y"),
}
UNITS = ("kg", "km", "cm", "liters", "minutes", "hours", "days", "dollars", "percent", "degrees")


def none(view: View) -> bool:
    """No digit of any script."""
    return _DIGIT.search(view.text) is None


@lru_cache(maxsize=1024)
def _standing_alone(number: int) -> re.Pattern[str]:
    return re.compile(rf"(?<![\d.,]){number}(?![.,]?\d)")


def include(view: View, number: int) -> bool:
    """The number stands in the text in digits, not as part of a longer one."""
    return _standing_alone(number).search(view.text) is not None


def ascending(view: View, count: int) -> bool:
    """At least so many whole numbers in digits, each greater than the one before."""
    digits = [number.lstrip("0") for number in _NUMBER.findall(view.text)]
    sizes = [(len(number), number) for number in digits]  # compared as text: a number may have a million digits
    return len(sizes) >= count and all(a < b for a, b in pairwise(sizes))


def _is_date(text: str, layout: str) -> bool:
    try:
        datetime.strptime(text, layout)
    except ValueError:
        return False
    return True


def date(view: View, format: str) -> bool:
    """At least one date that exists, in the given format."""
    pattern, layout = DATE_FORMATS[format]
    return any(_is_date(match.group(), layout) for match in pattern.finditer(view.text))


def clock_time(view: View, count: int) -> bool:
    """At least so many times of day such as 7:30 or 18:05."""
    return len(_CLOCK.findall(view.text)) >= count


@lru_cache(maxsize=64)
def _quantity(unit: str) -> re.Pattern[str]:
    # Possessive repeats: a long run of digits is read once.
    return re.compile(rf"(?<![\d.,])\d++(?:[.,]\d++)*+\s?{unit}\b", re.IGNORECASE)


def quantity(view: View, unit: str, count: int) -> bool:
    """At least so many quantities in digits with the unit behind them."""
    return len(_quantity(unit).findall(view.text)) >= count


RULES = {
    "numbers:none": Rule(none),
    "numbers:include": Rule(include, {"number": Integer(0, 1_000_000_000, "(the number itself)")}),
    "numbers:ascending": Rule(ascending, {"count": Integer(2, 1_000, "numbers")}),
    "numbers:date": Rule(date, {"format": Choice(tuple(DATE_FORMATS))}),
    "numbers:clock_time": Rule(clock_time, {"count": Integer(1, 1_000, "times of day")}),
    "numbers:quantity": Rule(quantity, {"unit": Choice(UNITS), "count": Integer(1, 1_000, "quantities")}),
}
