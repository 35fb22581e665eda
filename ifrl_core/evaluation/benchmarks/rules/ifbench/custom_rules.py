"""IFBench's `custom:` checkers: a single prompt each, with fixed contents."""

import csv
import io
import re
import unicodedata
from itertools import dropwhile, islice, pairwise
from string import ascii_lowercase
from typing import Literal

from ifrl_core.constraints.verifiers.view import View
from ifrl_core.evaluation.benchmarks.rules.ifbench.lists import CAPITALS_FROM_NORTH_TO_SOUTH
from ifrl_core.evaluation.benchmarks.rules.text import PUNCTUATION, without_punctuation

_MOST_ROWS = 15  # of a CSV that is asked for
_DASHES = re.compile("[\u2010-\u2015]")
_COUNTRIES = 52  # of the 54 of Africa
_LABEL = re.compile(r"^Question \d+[:.;)]?")
_SPECIAL = re.compile(r'".*[^\w\s].*"$')
_DATE = re.compile(r"\d{4}-(?:02-[0-2]\d|(?:0[469]|11)-(?:[0-2]\d|30)|(?:0[013578]|1[02])-(?:[0-2]\d|3[01]))")


def multiples(view: View) -> bool:
    return re.findall(r"\d+", view.text) == [str(n) for n in range(14, 51, 7)]


def reverse_newline(view: View) -> bool:
    """From the line with "Zimbabwe" on, at least 52 lines that descend; which countries they name does not matter."""
    lines = list(dropwhile(lambda line: "Zimbabwe" not in line, view.text.split("\n")))
    names = [name for line in lines if (name := _plain(line).strip(PUNCTUATION + " "))]
    return len(names) >= _COUNTRIES and all(first >= second for first, second in pairwise(names))


def european_capitals_sort(view: View) -> bool:
    names = (name.strip() for name in _plain(view.text).split(","))
    return tuple(name for name in names if name) == CAPITALS_FROM_NORTH_TO_SOUTH


def _plain(text: str) -> str:
    """Without accents, and with plain dashes."""
    text = _DASHES.sub("-", text)
    return "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))


def character_reverse(view: View) -> bool:
    """Only this string matters."""
    return "elgae dlab" in view.lower


def word_reverse(view: View) -> bool:
    """Only these two words in this order matter."""
    return "eagle bald" in " ".join(without_punctuation(view.lower).split())


def sentence_alphabet(view: View) -> bool:
    return [sentence.lstrip()[:1].lower() for sentence in view.sentences] == list(ascii_lowercase)


def date_format_list(view: View) -> bool:
    """Month 00 and day 00 are dates, 29 February in every year."""
    return all(_DATE.fullmatch(date.strip()) for date in view.text.split(","))


def csv_city(view: View) -> bool:
    """A header and seven rows of as many fields."""
    rows = _rows(view.text, ",", csv.QUOTE_MINIMAL)
    return (
        len(rows) == 8 and rows[0] == ["ID", "Country", "City", "Year", "Count"] and all(len(row) == 5 for row in rows)
    )


def csv_quotes(view: View) -> bool:
    """A header and three rows of as many fields between tabs, each in double quotes."""
    rows = [[field.strip() for field in row] for row in _rows(view.text, "\t", csv.QUOTE_NONE)]
    return (
        len(rows) == 4
        and rows[0] == [f'"{name}"' for name in ("StudentID", "Subject", "Grade", "Semester", "Score")]
        and all(len(row) == 5 for row in rows)
        and all(field.startswith('"') and field.endswith('"') for row in rows for field in row)
    )


def csv_special_character(view: View) -> bool:
    """A header and fourteen rows, up to one that has a quoted field with a special character of as many fields."""
    header, *rows = [[field.strip() for field in row] for row in _rows(view.text, ",", csv.QUOTE_NONE)] or [[]]
    if len(rows) != 14 or header != ["ProductID", "Category", "Brand", "Price", "Stock"]:
        return False
    for row in rows:
        if len(row) != 5:
            return False
        if any(_SPECIAL.match(field) for field in row):
            return True
    return False


def _rows(text: str, delimiter: str, quoting: Literal[0, 3]) -> list[list[str]]:
    """The rows of a CSV, more than any checker wants at most; none where it is not one (a field above 128 KiB, a bare
    carriage return)."""
    try:
        return list(islice(csv.reader(io.StringIO(text), delimiter=delimiter, quoting=quoting), _MOST_ROWS + 1))
    except csv.Error:
        return []


def mcq_count_length(view: View) -> bool:
    """Four questions of five options, each question longer than the one before; nothing may stand before the first."""
    parts = re.split(r"(?<!^)(?=Question \d)", view.text)
    if len(parts) != 4 or not all(part.startswith("Question") for part in parts):
        return False
    lengths = []
    for part in parts:
        options = list(re.finditer(r"^[A-Ea-e][).]\s*\w", part, re.MULTILINE))
        if len(options) != 5:
            return False
        lengths.append(len(_LABEL.sub("", part[: options[0].start()]).strip()))
    return all(first < second for first, second in pairwise([0, *lengths]))
