"""Rules on markup: lists with exact markers, tables, code, headings, quotes, tags, labelled lines."""

import re
import string

from ifrl_core.constraints.verifiers.arguments import Choice, Integer, Text, Texts
from ifrl_core.constraints.verifiers.rule import Rule
from ifrl_core.constraints.verifiers.view import View

_NUMBERED = re.compile(r"([0-9]{1,6})[.)]\s+\S")
_LETTERED = re.compile(r"\(?([a-zA-Z])[.)]\s+\S")
_CHECKBOX = re.compile(r"[-*] \[[ xX]\] +\S")
_HEADING = re.compile(r"#{1,6} +[^#\s]")
_HASHTAG = re.compile(r"(?<![\w#&])#\w+")
CODE_LANGUAGES = ("python", "bash", "json", "html", "text")
_DASHES = ("—", "–", "--", "-")


def numbered(view: View, num_items: int) -> bool:
    """Exactly so many lines numbered 1., 2., 3. ... in this order."""
    numbers = [match.group(1) for match in map(_NUMBERED.match, view.lines) if match]
    return len(numbers) == num_items and numbers == [str(n) for n in range(1, num_items + 1)]


def lettered(view: View, num_items: int) -> bool:
    """Exactly so many lines lettered a), b), c) ... in this order."""
    letters = [match.group(1).lower() for match in map(_LETTERED.match, view.lines) if match]
    return letters == list(string.ascii_lowercase[:num_items])


def checkbox(view: View, num_items: int) -> bool:
    """Exactly so many lines that begin with `- [ ]` or `- [x]`."""
    return sum(_CHECKBOX.match(line) is not None for line in view.lines) == num_items


def _cells(line: str) -> list[str] | None:
    """The cells of a markdown table row, or None when the line is none."""
    if len(line) < 2 or line[0] != "|" or line[-1] != "|":
        return None
    return [cell.strip() for cell in line[1:-1].split("|")]


def _is_separator(cells: list[str]) -> bool:
    return all(cell and not cell.strip(":").strip("-") and "-" in cell for cell in cells)


def table(view: View, columns: int, rows: int) -> bool:
    """Exactly one markdown table, with so many columns and, below its header, so many rows."""
    table = [cells for cells in map(_cells, view.lines) if cells]
    if len(table) != rows + 2 or any(len(cells) != columns for cells in table):
        return False
    return _is_separator(table[1]) and not any(_is_separator(cells) for cells in (table[0], *table[2:]))


def code_fence(view: View, language: str) -> bool:
    """Exactly one fenced code block, marked with the language and not empty."""
    fences = [i for i, line in enumerate(view.lines) if line.startswith("```")]
    if len(fences) != 2 or fences[1] - fences[0] < 2:
        return False
    return view.lines[fences[0]][3:].strip().lower() == language and view.lines[fences[1]] == "```"


def headings(view: View, num_headings: int) -> bool:
    """Exactly so many markdown headings, of any level."""
    return sum(_HEADING.match(line) is not None for line in view.lines) == num_headings


def block_quote(view: View, num_lines: int) -> bool:
    """At least so many lines that begin with `>`."""
    return sum(line.startswith(">") and len(line) > 1 for line in view.lines) >= num_lines


def bold_word(view: View, word: str) -> bool:
    return f"**{word.lower()}**" in view.lower


def tag(view: View, tag: str) -> bool:
    """The whole response stands between <tag> and </tag>."""
    text, opening, closing = view.stripped.lower(), f"<{tag.lower()}>", f"</{tag.lower()}>"
    return text.startswith(opening) and text.endswith(closing) and bool(text[len(opening) : -len(closing)].strip())


def fields(view: View, names: list[str]) -> bool:
    """For every name, in this order, a line `Name: text`."""
    labels = [f"{name.lower()}:" for name in names]
    reached = 0
    for line in view.lower.split("\n"):
        bare = line.strip().lstrip("*_#> ")
        if reached < len(labels) and bare.startswith(labels[reached]) and bare[len(labels[reached]) :].strip("*_ "):
            reached += 1
    return reached == len(labels)


def hashtags(view: View, count: int) -> bool:
    """Exactly so many hashtags."""
    return len(_HASHTAG.findall(view.text)) == count


def signature(view: View, name: str) -> bool:
    """The last line is a dash and the name."""
    last = view.lines[-1].lower().strip("\"'“”*_ ") if view.lines else ""
    return any(last.startswith(dash) and last.removeprefix(dash).strip() == name.lower() for dash in _DASHES)


RULES = {
    "lists:numbered": Rule(numbered, {"num_items": Integer(1, 1_000, "items")}),
    "lists:lettered": Rule(lettered, {"num_items": Integer(1, 26, "items")}),
    "lists:checkbox": Rule(checkbox, {"num_items": Integer(1, 1_000, "items")}),
    "format:table": Rule(table, {"columns": Integer(1, 20, "columns"), "rows": Integer(1, 1_000, "rows")}),
    "format:code_fence": Rule(code_fence, {"language": Choice(CODE_LANGUAGES)}),
    "format:headings": Rule(headings, {"num_headings": Integer(1, 100, "headings")}),
    "format:block_quote": Rule(block_quote, {"num_lines": Integer(1, 1_000, "lines")}),
    "format:bold_word": Rule(bold_word, {"word": Text("the word in bold", max_chars=80)}),
    "format:tag": Rule(tag, {"tag": Choice(("answer", "response", "text", "note", "summary", "result"))}),
    "format:fields": Rule(fields, {"names": Texts("labels of lines", most=20, max_chars=40)}),
    "format:hashtags": Rule(hashtags, {"count": Integer(1, 100, "hashtags")}),
    "format:signature": Rule(signature, {"name": Text("the name", max_chars=80)}),
}
