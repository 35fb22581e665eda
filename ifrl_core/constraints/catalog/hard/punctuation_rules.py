"""Rules on punctuation: marks to do without, exact counts, the final mark, brackets and quotes."""

import re

from ifrl_core.constraints.verifiers.arguments import Choice, Integer
from ifrl_core.constraints.verifiers.rule import Rule
from ifrl_core.constraints.verifiers.view import View

# Name of a mark -> every character that counts as it.
MARKS = {
    "exclamation mark": "!",
    "question mark": "?",
    "semicolon": ";",
    "colon": ":",
    "hyphen or dash": "-–—",
    "parenthesis": "()",
    "apostrophe": "'’",
    "period": ".",
    "quotation mark": '"“”',
}
COUNTED_MARKS = ("exclamation mark", "question mark", "semicolon", "colon")
_CLOSERS = "\"'”’)]*_ "
_PARENTHESES = re.compile(r"\([^()\n]+\)")
_QUOTED = re.compile(r'"[^"\n]+"|“[^“”\n]+”')


def ban(view: View, mark: str) -> bool:
    """The mark does not occur, in any of its forms."""
    return not any(character in view.text for character in MARKS[mark])


def exact(view: View, mark: str, count: int) -> bool:
    """The mark occurs exactly so many times."""
    return sum(view.text.count(character) for character in MARKS[mark]) == count


def final(view: View, mark: str) -> bool:
    """The last mark, closing quotes and brackets aside, is the given one."""
    return view.stripped.rstrip(_CLOSERS).endswith(mark)


def every_sentence(view: View, mark: str) -> bool:
    """Every sentence ends with the mark."""
    return bool(view.sentences) and all(s.rstrip(_CLOSERS).endswith(mark) for s in view.sentences)


def parentheses(view: View, count: int) -> bool:
    """At least so many remarks in parentheses."""
    return len(_PARENTHESES.findall(view.text)) >= count


def quoted(view: View, count: int) -> bool:
    """At least so many phrases in double quotation marks."""
    return len(_QUOTED.findall(view.text)) >= count


RULES = {
    "punctuation:ban": Rule(ban, {"mark": Choice(tuple(MARKS))}),
    "punctuation:exact": Rule(exact, {"mark": Choice(COUNTED_MARKS), "count": Integer(1, 1_000, "marks")}),
    "punctuation:final": Rule(final, {"mark": Choice(("!", "?", "...", "."))}),
    "punctuation:every_sentence": Rule(every_sentence, {"mark": Choice(("!", "?"))}),
    "punctuation:parentheses": Rule(parentheses, {"count": Integer(1, 1_000, "remarks")}),
    "punctuation:quoted": Rule(quoted, {"count": Integer(1, 1_000, "phrases")}),
}
