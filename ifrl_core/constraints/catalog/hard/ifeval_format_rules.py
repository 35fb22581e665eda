"""IFEval's rules on form: paragraphs, lists, sections, markers, JSON, beginnings and ends.

Semantics are those of the reference checkers (arXiv 2311.07911), written so that each costs time linear in the text:
several of the reference's regular expressions are quadratic on runs of whitespace or brackets.
"""

import json
import re
from functools import lru_cache

from ifrl_core.constraints.verifiers.arguments import Integer, Text
from ifrl_core.constraints.verifiers.rule import Rule
from ifrl_core.constraints.verifiers.view import View

_MANY = 1_000_000
_HIGHLIGHT = re.compile(r"\*[^\n*]*\*")
_DOUBLE_HIGHLIGHT = re.compile(r"\*\*[^\n*]*\*\*")
_JSON_FENCES = ("```json", "```Json", "```JSON", "```")
_POSTSCRIPTS = {"P.P.S": re.compile(r"p\.\s?p\.\s?s"), "P.S.": re.compile(r"p\.\s?s\.")}
CONSTRAINED_RESPONSES = ("My answer is yes.", "My answer is no.", "My answer is maybe.")


def number_paragraphs(view: View, num_paragraphs: int) -> bool:
    """So many paragraphs between `***` dividers; an empty one is allowed only at either end."""
    parts = [part.strip() for part in view.text.split("***")]
    if not all(parts[1:-1]):
        return False
    ends = (parts[0], parts[-1]) if len(parts) > 1 else (parts[0],)
    return len(parts) - sum(not end for end in ends) == num_paragraphs


def nth_paragraph_first_word(view: View, num_paragraphs: int, nth_paragraph: int, first_word: str) -> bool:
    """So many paragraphs between empty lines, the n-th of which (counted from 1) begins with the word."""
    parts = [part.strip() for part in view.text.split("\n\n")]
    filled = sum(map(bool, parts))
    if filled != num_paragraphs or nth_paragraph > filled or not parts[nth_paragraph - 1]:
        return False
    word = parts[nth_paragraph - 1].split(maxsplit=1)[0].lstrip("'").lstrip('"')
    return re.split("[.,?!'\"]", word, maxsplit=1)[0].lower() == first_word.lower()


def number_placeholders(view: View, num_placeholders: int) -> bool:
    """At least so many `[placeholders]`, each within one line."""
    count = 0
    for line in view.text.split("\n"):
        end = -1
        while (start := line.find("[", end + 1)) >= 0 and (end := line.find("]", start)) >= 0:
            count += 1
    return count >= num_placeholders


def postscript(view: View, postscript_marker: str) -> bool:
    pattern = _POSTSCRIPTS.get(postscript_marker)
    if pattern is None:
        return postscript_marker.lower() in view.lower
    return pattern.search(view.lower) is not None


def number_bullet_lists(view: View, num_bullets: int) -> bool:
    """Exactly so many lines that begin with `*` (but not `**`) or `-`.

    A `*` alone on its line takes the next line as its text, as in the reference.
    """
    count = 0
    lines = [line.lstrip() for line in view.text.split("\n")]
    i = 0
    while i < len(lines):
        line = lines[i]
        if line[:1] == "*" and line[1:2] != "*":
            if len(line) > 1:
                count += 1
            elif i + 1 < len(lines):
                count += 1
                i += 1
        i += 1
    return count + sum(line[:1] == "-" for line in lines) == num_bullets


def constrained_response(view: View) -> bool:
    return any(option in view.text for option in CONSTRAINED_RESPONSES)


def number_highlighted_sections(view: View, num_highlights: int) -> bool:
    """At least so many *highlights*; a **double** one that holds text is found by its own pattern."""
    single = sum(bool(marked.strip("*").strip()) for marked in _HIGHLIGHT.findall(view.text))
    if single >= num_highlights:
        return True
    return single + sum(bool(marked[2:-2].strip()) for marked in _DOUBLE_HIGHLIGHT.findall(view.text)) >= num_highlights


@lru_cache(maxsize=256)
def _section(spliter: str) -> re.Pattern[str]:
    return re.compile(re.escape(spliter) + r"\s?\d+")


def multiple_sections(view: View, num_sections: int, section_spliter: str) -> bool:
    """At least so many section marks such as `Section 1`."""
    return len(_section(section_spliter).findall(view.text)) >= num_sections


def json_format(view: View) -> bool:
    """The whole response is JSON, in a code fence or not."""
    text = view.stripped
    for fence in _JSON_FENCES:
        text = text.removeprefix(fence)
    text = text.removesuffix("```").strip()
    if text[:1] not in _JSON_STARTS:
        return False
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


_JSON_STARTS = frozenset('{["-0123456789tfnNI')


def title(view: View) -> bool:
    """A `<<title>>` that holds more than brackets and blanks, within one line."""
    if ">>" not in view.text:
        return False
    for line in view.text.split("\n"):
        start, end = line.find("<<"), line.rfind(">>")
        if 0 <= start < end - 2 and line[start:end].lstrip("<").rstrip(">").strip():
            return True
    return False


def two_responses(view: View) -> bool:
    """Two different responses with `******` between them."""
    parts = [part.strip() for part in view.text.split("******")]
    if not all(parts[1:-1]):
        return False
    filled = [part for part in parts if part]
    return len(filled) == 2 and filled[0] != filled[1]


def repeat_prompt(view: View, prompt_to_repeat: str) -> bool:
    return view.stripped.lower().startswith(prompt_to_repeat.strip().lower())


def end_checker(view: View, end_phrase: str) -> bool:
    return view.stripped.strip('"').lower().endswith(end_phrase.strip().lower())


def quotation(view: View) -> bool:
    return len(view.stripped) > 1 and view.stripped[0] == view.stripped[-1] == '"'


RULES = {
    "length_constraints:number_paragraphs": Rule(
        number_paragraphs, {"num_paragraphs": Integer(0, _MANY, "paragraphs")}
    ),
    "length_constraints:nth_paragraph_first_word": Rule(
        nth_paragraph_first_word,
        {
            "num_paragraphs": Integer(0, _MANY, "paragraphs"),
            "nth_paragraph": Integer(1, _MANY, "paragraphs from the start"),
            "first_word": Text("the word", one_word=True),
        },
    ),
    "detectable_content:number_placeholders": Rule(
        number_placeholders, {"num_placeholders": Integer(0, _MANY, "placeholders")}
    ),
    "detectable_content:postscript": Rule(postscript, {"postscript_marker": Text("the marker, such as P.S.")}),
    "detectable_format:number_bullet_lists": Rule(
        number_bullet_lists, {"num_bullets": Integer(0, _MANY, "bullet points")}
    ),
    "detectable_format:constrained_response": Rule(constrained_response),
    "detectable_format:number_highlighted_sections": Rule(
        number_highlighted_sections, {"num_highlights": Integer(0, _MANY, "highlights")}
    ),
    "detectable_format:multiple_sections": Rule(
        multiple_sections,
        {"num_sections": Integer(0, _MANY, "sections"), "section_spliter": Text("the word that marks a section")},
    ),
    "detectable_format:json_format": Rule(json_format),
    "detectable_format:title": Rule(title),
    "combination:two_responses": Rule(two_responses),
    "combination:repeat_prompt": Rule(
        repeat_prompt, {"prompt_to_repeat": Text("the request to repeat", max_chars=200_000)}
    ),
    "startend:end_checker": Rule(end_checker, {"end_phrase": Text("the last phrase")}),
    "startend:quotation": Rule(quotation),
}
