"""ComplexBench's rules: what a span of a response, or each of several, has to be.

Source: Wen et al. (arXiv 2407.03978). A rule is a line `name:argument`, or two that both have to hold; an argument of words
is `[a,b]`, of a range `[low,high]`. As the official code (thu-coai/ComplexBench 749f4575), surprises included: punctuation is
compared as if it were Chinese, only on the rule's side in model_keyword, model_keyword_num, model_forbidden_word and
model_constraint_punc (which so misses ASCII marks); the last of several spans may end otherwise; `match` of a rule with
ASCII punctuation never holds.
"""

import json
import re
import string
from ast import literal_eval
from collections.abc import Callable, Sequence
from functools import cache, partial

Check = Callable[[Sequence[str]], bool]  # of spans
OfText = Callable[[str], bool]

_CHINESE = str.maketrans(
    dict(zip(string.punctuation, "！\"＃＄％＆'（）＊+，-。/：；<=>？@[＼]＾_`{|}~", strict=True))
    | {"“": '"', "”": '"'}
)
_CLOSINGS = ("", "。", "？")
_OPENING_QUOTES, _CLOSING_QUOTES = ('"', "“", "`"), ('"', "”", "`")


def decided(rule: str, spans: Sequence[str]) -> bool | None:
    """Does what was cut out of a response satisfy the rule? None: the rule is none that is known, or its argument is not.

    Args:
        rule: as the row has it.
        spans: the response itself, the parts that the rule is about, or nothing.
    """
    checks = _checks(rule)
    return None if checks is None else all(check(spans) for check in checks)


def decidable(rule: str) -> bool:
    """Whether the rule can be decided at all."""
    return _checks(rule) is not None


def of_each(rule: str) -> bool:
    """Whether the rule is about several spans."""
    return "each" in rule


@cache
def _checks(rule: str) -> tuple[Check, ...] | None:
    text = rule.lstrip().rstrip("\n")
    if not _LINE.match(text):
        return None
    try:
        return tuple(_RULES[name](argument) for name, argument in _LINE.findall(text))
    except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError):  # an argument that is no list or range
        return None


def _chinese(text: str) -> str:
    """With Chinese punctuation."""
    return text.translate(_CHINESE)


def _as_it_is(text: str) -> str:
    return text


def _unquoted(text: str) -> str:
    text = text.lstrip("\n")
    quoted = text[:1] in _OPENING_QUOTES and text[-1:] in _CLOSING_QUOTES
    return text[1:-1] if quoted else text


def _words(argument: str) -> list[str]:
    """The words of `[a, b]`, with Chinese punctuation; in quotes where the list is Python's."""
    try:
        listed = literal_eval(argument)
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        listed = None
    if not isinstance(listed, list) or not all(isinstance(word, str) for word in listed):
        listed = [word.strip() for word in _bracketed(argument).split(",")]
    return [_chinese(word) for word in listed]


def _bracketed(argument: str) -> str:
    if not (argument.startswith("[") and argument.endswith("]")) or "\n" in argument:
        raise ValueError(f"{argument!r} is no list")
    return argument[1:-1]


def _range(argument: str) -> tuple[float, float]:
    low, high = literal_eval(argument)
    if not all(isinstance(bound, int | float) for bound in (low, high)):
        raise ValueError(f"{argument!r} is no range")
    return low, high


# What a text has to be, by an argument.


def _holds_all(argument: str) -> OfText:
    words = _words(argument)
    return lambda text: all(word in text for word in words)


def _holds_none(argument: str) -> OfText:
    words = _words(argument)
    return lambda text: not any(word in text for word in words)


def _holds_so_many(argument: str) -> OfText:
    """`[low, high, word, ...]`: between `low` and `high` of the words."""
    low, high, *words = _words(argument)
    bounds = (int(low), int(high))
    return lambda text: bounds[0] <= sum(word in text for word in words) <= bounds[1]


def _begins(argument: str) -> OfText:
    start = _chinese(argument)
    return lambda text: text.startswith(start)


def _ends(argument: str) -> OfText:
    ends = tuple(_chinese(argument) + closing for closing in _CLOSINGS)
    return lambda text: text.endswith(ends)


def _is(argument: str) -> OfText:
    return lambda text: text in (argument, argument + "。")


def _only_marks(argument: str) -> OfText:
    """No punctuation but those marks."""
    banned = {_chinese(mark) for mark in string.punctuation} - set(_words(argument))
    return lambda text: not any(mark in text for mark in banned)


def _long(argument: str, length: Callable[[str], int]) -> OfText:
    low, high = _range(argument)
    return lambda text: low <= length(text) <= high


def _json_keys(argument: str) -> OfText:
    """A JSON object with exactly those keys; without any, some object."""
    listed = literal_eval(argument)
    if not isinstance(listed, list):
        raise ValueError(f"{argument!r} is no list")
    keys = {key for key in listed if key != ""}

    def check(text: str) -> bool:
        try:
            document = json.loads(_first_object(text))
        except (ValueError, RecursionError):
            return False
        return isinstance(document, dict) and (not keys or document.keys() == keys)

    return check


def _first_object(text: str) -> str:
    """From the first brace to the one that closes it, "" when none does."""
    depth, start = 0, 0
    for brace in re.finditer(r"[{}]", text):
        if brace[0] == "{":
            start = brace.start() if depth == 0 else start
            depth += 1
        else:
            depth -= 1
            if depth == 0:
                return text[start : brace.end()]
    return ""


_Of = Callable[[str], OfText]  # of an argument
_characters: _Of = partial(_long, length=len)
_spaced_words: _Of = partial(_long, length=lambda text: len(text.split()))


def _negated(of: _Of) -> _Of:
    def negated(argument: str) -> OfText:
        check = of(argument)
        return lambda text: not check(text)

    return negated


# Which spans it is asked of.


def _nothing(spans: Sequence[str]) -> bool:
    return not spans or list(spans) == [""]


def _first(
    of: _Of, *, views: Sequence[Callable[[str], str]] = (_chinese,), empty: bool = False
) -> Callable[[str], Check]:
    """Of the first span, seen in one of the ways of `views`; `empty`: the verdict where there is none."""

    def with_argument(argument: str) -> Check:
        check = of(argument)
        return lambda spans: empty if _nothing(spans) else any(check(view(spans[0])) for view in views)

    return with_argument


def _each(
    of: _Of, *, views: Sequence[Callable[[str], str]] = (_chinese,), empty: bool = False, but_last: bool = False
) -> Callable[[str], Check]:
    """Of each span that is not empty; `but_last`: the last of several is passed over."""

    def with_argument(argument: str) -> Check:
        check = of(argument)

        def of_spans(spans: Sequence[str]) -> bool:
            if _nothing(spans):
                return empty
            asked = spans[:-1] if but_last and len(spans) > 1 else spans
            return all(any(check(view(span)) for view in views) for span in asked if span)

        return of_spans

    return with_argument


def _plain(
    of: _Of, *, views: Sequence[Callable[[str], str]] = (_chinese,), empty: bool = False
) -> Callable[[str], Check]:
    """Of the first span as it is or out of its quotes; one that says None is none."""

    def with_argument(argument: str) -> Check:
        check = of(argument)

        def of_text(text: str) -> bool:
            return empty if not text or "None" in text else any(check(view(text)) for view in views)

        return lambda spans: any(map(of_text, (_unquoted(spans[0]), spans[0]))) if spans else empty

    return with_argument


def _count(argument: str) -> Check:
    low, high = _range(argument)
    return lambda spans: not _nothing(spans) and low <= len(spans) <= high


def _in_order(argument: str) -> Check:
    """As many spans as starts, each with its own."""
    starts = [_begins(start) for start in _words(argument)]

    def check(spans: Sequence[str]) -> bool:
        if _nothing(spans) or len(spans) != len(starts):
            return False
        return all(begins(_chinese(span)) for begins, span in zip(starts, spans, strict=True) if span)

    return check


_UNQUOTED_TOO = (_as_it_is, _unquoted)
_CHINESE_UNQUOTED_TOO = (_chinese, lambda text: _unquoted(_chinese(text)))
_RULES: dict[str, Callable[[str], Check]] = {
    "keyword": _plain(_holds_all),
    "forbidden_word": _plain(_holds_none, empty=True),
    "match": _plain(_is),
    "constraint_punc": _plain(_only_marks),
    "startswith": _plain(_begins),
    "endswith": _plain(_ends),
    "not endswith": _plain(_negated(_ends), empty=True),
    "length": _plain(_characters),
    "length_word": _plain(_spaced_words),
    "Json": _plain(_json_keys, views=(_as_it_is,)),
    "model_keyword": _first(_holds_all, views=(_as_it_is,)),
    "model_keyword_num": _first(_holds_so_many, views=(_as_it_is,)),
    "model_forbidden_word": _first(_holds_none, views=(_as_it_is,), empty=True),
    "model_length": _first(_characters, views=_UNQUOTED_TOO),
    "model_length_word": _first(_spaced_words, views=_UNQUOTED_TOO),
    "model_startswith": _first(_begins),
    "model_endswith": _first(_ends),
    "model_not_startswith": _first(_negated(_begins), empty=True),
    "model_not_endswith": _first(_negated(_ends), empty=True),
    "model_constraint_punc": _first(_only_marks, views=(_unquoted,)),
    "model_keyword_each": _each(_holds_all),
    "model_keyword_num_each": _each(_holds_so_many, views=(_as_it_is,)),
    "model_forbidden_word_each": _each(_holds_none, empty=True),
    "model_number_each": _count,
    "model_length_each": _each(_characters, views=_UNQUOTED_TOO),
    "model_length_word_each": _each(_spaced_words, views=_UNQUOTED_TOO),
    "model_startswith_each": _each(_begins),
    "model_starts_with_list_each": _in_order,
    "model_endswith_each": _each(_ends, views=_CHINESE_UNQUOTED_TOO, but_last=True),
    "model_not_endswith_each": _each(_negated(_ends), empty=True),
    "model_constraint_punc_each": _each(_only_marks, views=_CHINESE_UNQUOTED_TOO),
}
# A line that begins with no name goes on with the argument before it.
_NAMES = "|".join(sorted(map(re.escape, _RULES), key=len, reverse=True))
_LINE = re.compile(rf"^({_NAMES}):(.*?)(?=\n(?:{_NAMES}):|\Z)", re.DOTALL | re.MULTILINE)
