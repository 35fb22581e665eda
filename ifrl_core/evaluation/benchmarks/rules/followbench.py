"""FollowBench's rules: the rows that need no judge, by source; those of `mixed` and two of `format` by level.

Source: Jiang et al., FollowBench (arXiv 2310.20410). Verdicts are held to those of the official code (YJiangcm/FollowBench
6278f4c1) in the tests, which is stricter or looser than its instructions in places: an end of a sentence at the very end of
the text begins one more sentence when a blank follows it, "at most 15" means fewer in Chinese, "$14.50" passes for "$14".
"""

import re
from ast import literal_eval
from collections.abc import Callable, Sequence

Check = Callable[[str], bool]


def satisfied(
    lang: str, category: str, example_id: str, source: str, level: int, target: str, response: str
) -> bool | None:
    """Does the response satisfy the row's constraint? None: a judge has to say.

    Args:
        lang: "en" or "zh".
        level: 1 to 5; of `mixed` and `format` rows the checks of all levels up to it count.
    """
    if category == "example":
        return _fills(target, response)
    if (levels := _FORMAT_LEVELS.get((lang, source, str(example_id)))) is not None:
        return all(check(response) for check in levels[level - 1])
    if (checks := _LEVELS.get((lang, source))) is not None:
        return all(check(response) for check in checks[:level])
    rule = _RULES.get(source)
    return None if rule is None else rule(lang, target, response)


def _fills(template: str, response: str) -> bool:
    """The template of the last example with its answer filled in, and nothing else; an answer of one line."""
    pattern = re.escape(template.split("{instruction}\n")[-1].replace("{{", "{").replace("}}", "}"))
    return re.fullmatch(pattern.replace(re.escape("{answer}"), ".*"), response) is not None


def _lines_within(lang: str, target: str, response: str) -> bool:
    return all(line in target.split("\n") for line in response.split("\n"))


def _listed(lang: str, target: str, response: str) -> bool:
    return response in literal_eval(target)


def _same(lang: str, target: str, response: str) -> bool:
    return response == target


def _last_option(lang: str, target: str, response: str) -> bool:
    return re.findall(r"\([A-Z]\)", response)[-1:] == [target]


def _last_date(lang: str, target: str, response: str) -> bool:
    return re.findall(r"\d{2}/\d{2}/\d{4}", response)[-1:] == [target]


def _holds(lang: str, target: str, response: str) -> bool:
    return target in response


def _last_amount(lang: str, target: str, response: str) -> bool:
    return re.findall(r"\$\d+" if lang == "en" else r"(?<!\d)\d+美元", response)[-1:] == [target]


_RULES: dict[str, Callable[[str, str, str], bool]] = {
    "E2E": _same,
    "text_editing": _same,
    "WIKIEVENTS": _lines_within,
    "CONLL2003": _listed,
    "BBH_logical": _last_option,
    "BBH_time": _last_date,
    "self_made_space": _holds,
    "gsm_8k": _last_amount,
}


_ENDS = {"en": r"[.!?]", "zh": r"[。！？]"}


def _sentences(lang: str, text: str) -> list[str]:
    """What the ends of sentences separate; nothing but the end of the text may follow the last."""
    return [part for part in re.split(_ENDS[lang], text) if part]


def _en_sentences(text: str) -> list[str]:
    return _sentences("en", text)


def _zh_sentences(text: str) -> list[str]:
    return _sentences("zh", text)


def _paragraphs(text: str) -> list[str]:
    return text.split("\n\n")


def _numbered(text: str) -> bool:
    return all(paragraph.startswith(f"{i}.") for i, paragraph in enumerate(_paragraphs(text), start=1))


def _table_levels(lang: str, long_enough: Check, end: str) -> Sequence[Sequence[Check]]:
    """Of format row 22; the last level's closing words are a paragraph of their own."""

    def few_sentences(text: str) -> bool:
        return all(len(_sentences(lang, paragraph)) < 3 for paragraph in _paragraphs(text))

    def long_sentences(text: str) -> bool:
        return all(long_enough(sentence) for part in _paragraphs(text) for sentence in _sentences(lang, part))

    shared: Sequence[Check] = (few_sentences, long_sentences, _numbered)
    three, four = (lambda text: len(_paragraphs(text)) == 3), (lambda text: len(_paragraphs(text)) == 4)
    levels = [(three, *shared[:level]) for level in range(4)]
    return [*levels, (four, *shared, lambda text: text.endswith(end))]


_POINT = re.compile(r"\*\*\s*\d++([.)]?)([^*\n]*+)\*\*([^*\n]+)")  # possessive: a megabyte of digits takes linear time


def _five_points(text: str) -> bool:
    return len(_POINT.findall(text)) == 5


def _point_lengths(text: str, *, dotted_only: bool) -> bool:
    """Sentences of 10 to 15 words, the keyword counted."""
    return all(
        10 <= len(sentence.split()) <= 15
        for mark, keyword, rest in _POINT.findall(text)
        if mark == "." or not dotted_only
        for sentence in _sentences("en", (keyword + rest).replace(".:", ":").strip())
    )


def _no_adverbs(text: str) -> bool:
    """No word ends in -ly, where points are numbered with a dot: the others are not looked at."""
    return not any(re.search(r"ly\b", keyword + rest) for mark, keyword, rest in _POINT.findall(text) if mark == ".")


_SPEECH_LEVELS: Sequence[Sequence[Check]] = (
    (lambda text: "**" in text,),
    (_five_points,),
    (_five_points, lambda text: _point_lengths(text, dotted_only=True)),
    *((_five_points, lambda text: _point_lengths(text, dotted_only=False), _no_adverbs) for _ in range(2)),
)


def _count(sentences: Callable[[str], Sequence[str]], n: int) -> Check:
    return lambda text: len(sentences(text)) == n


_LEVELS: dict[tuple[str, str], Sequence[Check]] = {
    ("en", "cnn_dailymail"): (
        _count(_en_sentences, 3),
        lambda text: all(len(sentence.split()) < 15 for sentence in _en_sentences(text)),
        lambda text: all(
            word in sentence for word, sentence in zip(("Potter", "actor", "films"), _en_sentences(text), strict=True)
        ),
        lambda text: "lavish" not in _en_sentences(text)[1],
        lambda text: re.search(r"\b(has|have)\b", _en_sentences(text)[2]) is not None,
    ),
    ("en", "xsum"): (
        _count(_en_sentences, 1),
        lambda text: len(text.split()) < 20,
        lambda text: "Newton Stewart" not in text,
        lambda text: re.search(r"\b(am|is|are)\b \w+ing", text) is not None,
        lambda text: "operation" in text,
    ),
    ("en", "samsum"): (
        _count(_en_sentences, 1),
        lambda text: len(text.split()) < 15,
        lambda text: re.search(r"\bstuff\b", text) is not None,
        lambda text: "procrast" not in text,
        lambda text: len(re.findall(r"[^\w\s]", text)) == 1,
    ),
    ("en", "gigaword"): (
        lambda text: len(text.split(" ")) == 8,
        lambda text: not re.search(r"[^\w\s]", text),
        lambda text: text == text.lower(),
        lambda text: "bus" not in text.split(),
        lambda text: "in" in text.split(),
    ),
    ("en", "arxiv"): (
        _count(_en_sentences, 1),
        lambda text: len(text.split()) <= 20,
        lambda text: text.startswith("We"),
        lambda text: "activations" in text,
        lambda text: "transformer" not in text,
    ),
    ("zh", "cnn_dailymail"): (
        _count(_zh_sentences, 3),
        lambda text: all(len(sentence) < 15 for sentence in _zh_sentences(text)),
        lambda text: all(
            word in sentence for word, sentence in zip(("波特", "演员", "电影"), _zh_sentences(text), strict=True)
        ),
        lambda text: "奢侈" not in _zh_sentences(text)[1],
        lambda text: "了" in _zh_sentences(text)[2],
    ),
    ("zh", "xsum"): (
        _count(_zh_sentences, 1),
        lambda text: len(text) < 20,
        lambda text: "牛顿斯图尔特" not in text,
        lambda text: "在" in text,
        lambda text: "操作" in text,
    ),
    ("zh", "samsum"): (
        _count(_zh_sentences, 1),
        lambda text: len(text) < 15,
        lambda text: "琐碎的" in text,
        lambda text: "拖沓的" not in text,
        lambda text: len(re.findall(r"[^\w\s]", text)) == 1,
    ),
    ("zh", "gigaword"): (
        lambda text: len(text) == 8,
        lambda text: not re.search(r"[^\w\s]", text),
        lambda text: not any(map(str.isnumeric, text)),
        lambda text: "公交车" not in text,
        lambda text: "在" in text,
    ),
    ("zh", "arxiv"): (
        _count(_zh_sentences, 1),
        lambda text: len(text) <= 20,
        lambda text: text.startswith("我们"),
        lambda text: "激活" in text,
        lambda text: "transformer" not in text,
    ),
}

_FORMAT_LEVELS: dict[tuple[str, str, str], Sequence[Sequence[Check]]] = {
    ("en", "helpful_base", "22"): _table_levels(
        "en", lambda sentence: len(sentence.split()) > 20, "Those are suggestions"
    ),
    ("en", "koala", "30"): _SPEECH_LEVELS,
    ("zh", "helpful_base", "22"): _table_levels("zh", lambda sentence: len(sentence.strip()) >= 20, "这些是建议"),
}
