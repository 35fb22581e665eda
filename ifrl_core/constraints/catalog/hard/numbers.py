"""Hard types on numbers: none at all, a given one, ascending ones, dates, times of day, quantities with units."""

from collections.abc import Mapping
from typing import Any

from ifrl_core.constraints.catalog.hard.numbers_rules import DATE_FORMATS, RULES, UNITS
from ifrl_core.constraints.types import Args, ConstraintType, Draw, counted, hard, shown
from ifrl_core.constraints.witness.draft import Draft
from ifrl_core.records import Constraint

_EXAMPLES = {
    "YYYY-MM-DD": "2024-05-17",
    "DD/MM/YYYY": "17/05/2024",
    "Month D, YYYY": "May 17, 2024",
    "D Month YYYY": "17 May 2024",
}
_TIMES = ("7:30", "9:15", "12:45", "18:05")
_BRINGS_NUMBERS = ("lists:numbered", "detectable_format:multiple_sections")


def _few(draw: Draw, least: int = 1, most: int = 3) -> int:
    return draw.upto(least, min(most, draw.max_words // 12))


def _counted(noun: str, plural: str | None = None) -> Any:
    def fields(args: Mapping[str, Any]) -> dict[str, str]:
        return {**shown(args), "things": counted(args["count"], noun, plural)}

    return fields


def _date_fields(args: Mapping[str, Any]) -> dict[str, str]:
    return {"format": args["format"], "example": _EXAMPLES[args["format"]]}


def _brings_numbers(args: Args, other: Constraint) -> bool:
    return other.type in _BRINGS_NUMBERS


def _none(draft: Draft, args: Args) -> None:
    draft.banned_characters.update("0123456789")


def _include(draft: Draft, args: Args) -> None:
    draft.phrases += draft.pick([f"{args['number']} {word}" for word in ("days", "so", "birds")], 1)


def _ascending(draft: Draft, args: Args) -> None:
    draft.phrases += [str(2 + 3 * i) for i in range(args["count"])]


def _date(draft: Draft, args: Args) -> None:
    draft.phrases.append(_EXAMPLES[args["format"]])


def _clock(draft: Draft, args: Args) -> None:
    draft.phrases += draft.pick(_TIMES, args["count"])


def _quantity(draft: Draft, args: Args) -> None:
    draft.phrases += [f"{3 + i} {args['unit']}" for i in range(args["count"])]


TYPES: tuple[ConstraintType, ...] = (
    hard(
        "numbers:none",
        "No digit occurs.",
        RULES["numbers:none"],
        (
            "Do not use any digits.",
            "Write all numbers as words; digits are not allowed.",
            "Your answer must not contain a single digit.",
            "Avoid digits (0-9) completely.",
            "There should be no numerals in the text.",
            "No digits, please: spell out every number.",
        ),
        slots=("numbers",),
        excludes=_brings_numbers,
        witness=_none,
    ),
    hard(
        "numbers:include",
        "A given number occurs in digits.",
        RULES["numbers:include"],
        (
            "Mention the number {number} in digits.",
            "Your answer must contain the number {number}.",
            "Work the number {number} into the text, written in digits.",
            "Include {number} (in digits) somewhere.",
            "The number {number} has to appear in your response.",
            "Make sure the number {number} shows up.",
        ),
        draw=lambda draw: {"number": draw.upto(2, 99)},
        slots=("numbers",),
        witness=_include,
    ),
    hard(
        "numbers:ascending",
        "At least so many numbers in digits, each greater than the one before.",
        RULES["numbers:ascending"],
        (
            "Use at least {things} in digits, in ascending order.",
            "Include at least {things} written in digits, each greater than the one before.",
            "Your text must contain at least {things} in digits, and they have to go up.",
            "Mention at least {things} (in digits) in increasing order.",
            "At least {things} must appear in digits, from the smallest to the largest.",
            "Write at least {things} in digits, every one larger than the last.",
        ),
        draw=lambda draw: {"count": _few(draw, 2)},
        fields=_counted("number"),
        slots=("numbers",),
        excludes=_brings_numbers,
        min_words=20,
        witness=_ascending,
    ),
    hard(
        "numbers:date",
        "A date in a given format.",
        RULES["numbers:date"],
        (
            "Mention a date in the format {format}, such as {example}.",
            "Include at least one date written as {format} (for example {example}).",
            "Your answer must contain a date in the form {format}.",
            "Give a date, formatted like {example}.",
            "Work in a date; write it in the format {format}.",
            "At least one date of the form {format} has to appear.",
        ),
        draw=lambda draw: {"format": draw.rng.choice(sorted(DATE_FORMATS))},
        fields=_date_fields,
        slots=("numbers",),
        witness=_date,
    ),
    hard(
        "numbers:clock_time",
        "At least so many times of day.",
        RULES["numbers:clock_time"],
        (
            "Mention at least {things}, such as 7:30.",
            "Include at least {things} written like 18:05.",
            "Your answer must contain at least {things} in the form HH:MM.",
            "Give at least {things} in digits (for example 9:15).",
            "Work in at least {things}, written with a colon.",
            "At least {things} of the form 12:45 have to appear.",
        ),
        draw=lambda draw: {"count": _few(draw)},
        fields=_counted("time of day", "times of day"),
        slots=("numbers",),
        witness=_clock,
    ),
    hard(
        "numbers:quantity",
        "At least so many quantities with a given unit.",
        RULES["numbers:quantity"],
        (
            'Mention at least {things} in {unit}, such as "5 {unit}".',
            "Include at least {things} given in {unit}, with the number in digits.",
            "Your answer must contain at least {things} with the unit {unit} (number in digits).",
            "State at least {things} in {unit}, using digits.",
            'Use the unit {unit} for at least {things}, in digits as in "12 {unit}".',
            "At least {things} in {unit} must be given, written in digits.",
        ),
        draw=lambda draw: {"unit": draw.rng.choice(UNITS), "count": _few(draw, 1, 2)},
        fields=_counted("quantity", "quantities"),
        slots=("numbers",),
        witness=_quantity,
    ),
)  # fmt: skip
