"""IFBench's `format:` checkers."""

import re
from collections import deque
from itertools import pairwise
from string import digits

from ifrl_core.constraints.verifiers.sentences import split_sentences
from ifrl_core.constraints.verifiers.view import View
from ifrl_core.evaluation.benchmarks.rules.text import PUNCTUATION, tokens, without_punctuation

_CLOSES = {")": "(", "]": "[", "}": "{"}
_PARENTHESES_DEPTH = 5
_QUOTES_DEPTH = 3


def parentheses(view: View) -> bool:
    """Five open brackets and the right close of the innermost: one close is enough, and a wrong one ends it."""
    open_brackets: list[str] = []
    for mark in re.findall(r"[()\[\]{}]", view.text):
        if mark not in _CLOSES:
            open_brackets.append(mark)
            continue
        if not open_brackets or open_brackets[-1] != _CLOSES[mark]:
            return False
        if len(open_brackets) >= _PARENTHESES_DEPTH:
            return True
        open_brackets.pop()
    return False


def quotes(view: View) -> bool:
    """Quotes within quotes within quotes, closed to the outermost; apostrophes are quotes, curly ones are not."""
    open_quotes: list[str] = []
    deepest = 0
    for mark in re.findall(r"[\"']", view.text):
        if open_quotes and open_quotes[-1] == mark:
            open_quotes.pop()
            if deepest - len(open_quotes) >= _QUOTES_DEPTH:
                return True
        else:
            open_quotes.append(mark)
            deepest = max(deepest, len(open_quotes))
    return False


def options(view: View, *, options: str) -> bool:
    """One of the options, to the character or in lower case without blanks and punctuation."""
    choices = re.split(r"/|,| or ", options)
    return any(
        view.text == choice.strip() or view.lower.strip(PUNCTUATION + " ") == choice.strip().lower()
        for choice in choices
    )


def newline(view: View) -> bool:
    """As many lines (those of blanks too) as words."""
    text = without_punctuation(view.text)
    return len([line for line in text.strip().split("\n") if line]) == len(text.split())


def emoji(view: View) -> bool:
    """The last code point of every sentence is an emoji, or the first of the next one: flags and keycaps are none."""
    from emoji import is_emoji

    ends = [without_punctuation(sentence).strip().rstrip("\ufe0f") for sentence in view.sentences]
    for i, end in enumerate(ends):
        following = ends[i + 1][:1] if i + 1 < len(ends) else ""
        if not (is_emoji(end[-1:]) or is_emoji(following)):
            return False
    return True


def line_indent(view: View) -> bool:
    """Every line is indented more than the one before; blank lines do not count."""
    return _grows([line for line in view.text.split("\n") if line.strip()])


def line_indent_official(view: View) -> bool:
    """As upstream: blank lines are removed from the list that is being walked, so that of several in a row some stay.

    A removal takes the first line equal to the blank one in hand and makes the walk skip the line after it.
    """
    lines = view.text.split("\n")
    blanks: dict[str, deque[int]] = {}
    for number, line in enumerate(lines):
        if not line.strip():
            blanks.setdefault(line, deque()).append(number)
    removed, number = set(), 0
    while number < len(lines):
        equal = blanks.get(lines[number])
        if equal:
            removed.add(equal.popleft())
        number += 2 if equal is not None else 1
    return _grows([line for number, line in enumerate(lines) if number not in removed])


def _grows(lines: list[str]) -> bool:
    indents = [len(line) - len(line.lstrip(" ")) for line in lines]
    return all(first < second for first, second in pairwise(indents))


def quote_unquote(view: View) -> bool:
    """No quoted phrase directly after another, none at the end; curly quotes are not seen."""
    text = "".join(view.text.split())
    return '""' not in text and not text.rstrip(digits + PUNCTUATION.replace('"', "")).endswith('"')


def list_(view: View, *, sep: str) -> bool:
    """The separator twice, anywhere."""
    return view.text.count(sep) >= 2


def thesis(view: View) -> bool:
    """An italic text (`<i>` or `<em>`) with something after it; it may be empty, but not of blanks."""
    for tag in ("i", "em"):
        _, opened, rest = view.text.partition(f"<{tag}>")
        inside, closed, after = rest.partition(f"</{tag}>")
        if opened and closed:
            return (not inside or bool(inside.strip())) and bool(after.strip())
    return False


def sub_bullets(view: View) -> bool:
    """A hyphen after every star, before the next; no star holds."""
    return all("-" in piece for piece in view.text.split("*")[1:])


def no_bullets_bullets(view: View) -> bool:
    """Two sentences or more, then nothing but two lines or more that begin with a star.

    Of blank lines only one may stand, directly before the first star: the checker forgets what it counts at the others.
    """
    lines = view.text.split("\n")
    first = next((i for i, line in enumerate(lines) if line.strip().startswith("*")), len(lines))
    before, bullets = lines[:first], lines[first:]
    if len(bullets) < 2 or not all(line.strip().startswith("*") for line in bullets):
        return False
    if not all(line.strip() for line in before[:-1]):
        return False
    return sum(len(split_sentences(line.strip())) for line in before) >= 2


def title_case(view: View) -> bool:
    """No token is all small, or small and then capital; small words must be capitalised too, n't is a token."""
    return not any(
        token[0].islower() and (not token[1:] or token[1:].islower() or token[1:].isupper())
        for token in tokens(view.text)
    )


def no_whitespace(view: View) -> bool:
    return not any(character.isspace() for character in view.text)


def output_template(view: View) -> bool:
    """The three labels, in any order."""
    return all(label in view.text for label in ("My Answer:", "My Conclusion:", "Future Outlook:"))
