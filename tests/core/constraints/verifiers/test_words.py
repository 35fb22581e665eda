"""One definition of a word, in every script."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nltk.tokenize import RegexpTokenizer

from ifrl_core.constraints.verdict import verify
from ifrl_core.constraints.verifiers.language_code import DETECTED, canonical
from ifrl_core.constraints.verifiers.view import View
from ifrl_core.constraints.verifiers.words import (
    begins_with,
    count_runs,
    ends_with,
    folded,
    is_word,
    whole_word,
    words_of,
)

MIXED = st.lists(
    st.sampled_from(["a", "Z", "é", "e\u0301", "हि", "न्दी", "مَر", "حبا", "\u200d", "\u200c", "👨", "河", "9", "²", "_", "'",
                     "’", "-", " ", "।", ".", "#", "+"]),
    max_size=16,
).map("".join)  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(MIXED)
def test_runs_are_those_of_the_reference(text: str) -> None:
    assert count_runs(text) == len(RegexpTokenizer(r"\w+").tokenize(text))


@settings(max_examples=100, deadline=None)
@given(MIXED)
def test_words_are_pieces_of_the_text_that_no_letter_goes_on_from(text: str) -> None:
    place = 0
    for word in words_of(text):
        place = text.index(word, place) + len(word)
        assert is_word(word)
    assert words_of(text) == words_of(" ".join(words_of(text)))
    for first in words_of(text)[:1]:
        assert begins_with(text, first)
    for last in words_of(text)[-1:]:
        assert ends_with(text, last)


@pytest.mark.parametrize(
    ("text", "runs", "words"),
    [
        ("हिन्दी वाक्य है।", 3, 3),
        ("مَرْحَبًا بِالعَالَم", 2, 2),
        ("می‌خواهم بروم", 2, 2),
        ("cafe\u0301 noir", 2, 2),
        ("well-known don’t", 4, 2),
        ("👨‍👩‍👧 yes", 3, 1),
        ("𝐛𝐨𝐥𝐝 text", 2, 2),
    ],
)
def test_marks_and_joiners_do_not_split_words(text: str, runs: int, words: int) -> None:
    assert (count_runs(text), len(words_of(text))) == (runs, words)


@pytest.mark.parametrize(
    ("word", "found", "missed"),
    [
        ("C#", "I write C# at work", "I write C#ish things"),
        ("C++", "Learn c++.", "C+ is a grade"),
        (".NET", "We use .net here", "the dotnet tool"),
        ("#tag", "Good #tag!", "Good #tags"),
        ("don't", "I don’t know", "I dont know"),
        ("don’t", "I don't know", "a dont"),
        ("caf\u00e9", "Un cafe\u0301 noir", "Un cafe noir"),
        ("cafe\u0301", "Un caf\u00e9 noir", "cafés"),
        ("cafe", "the cafe", "Un cafe\u0301 noir"),
        ("हिन्दी", "मैं हिन्दी बोलता हूँ", "हिन्दीभाषी लोग"),
        ("sun", "The SUN.", "sunny"),
        ("AT&T", "Call AT&T now", "Call ATT"),
        ("100%", "It is 100% sure", "It is 1100 % sure"),
    ],
)
def test_a_forbidden_word_is_found_whatever_it_is_made_of(word: str, found: str, missed: str) -> None:
    args = {"forbidden_words": [word]}
    assert not verify("keywords:forbidden_words", args, View(found))
    assert verify("keywords:forbidden_words", args, View(missed))


@pytest.mark.parametrize(
    ("type_id", "args", "good", "bad"),
    [
        ("words:first_word", {"word": "C#"}, '"c# is fine."', "C is not C#."),
        ("words:last_word", {"word": "C#"}, "I love C#.", "I love C# now."),
        ("words:order", {"first": "C++", "second": "C#"}, "C++ before c#.", "C# before C++."),
        ("sentences:avoid_start", {"word": ".NET"}, "We use .NET.", ".NET is used."),
        ("case:capital_word", {"word": "c#"}, "Use C# now.", "Use c# now."),
        ("words:first_word", {"word": "Don't"}, "Don’t go.", "Do not go."),
        ("words:last_word", {"word": "caf\u00e9"}, "Un cafe\u0301.", "Un cafe."),
        ("words:order", {"first": "it's", "second": "don’t"}, "It’s what I don't do.", "I don’t say it’s so."),
        ("case:capital_word", {"word": "don't"}, "DON’T!", "Don’t!"),
        ("repeat:phrase", {"phrase": "don't worry", "count": 1}, "Don’t worry.", "Do worry."),
        ("repeat:verbatim", {"sentence": "It’s time."}, "So: It's time.", "So: it's time."),
        ("repeat:anaphora", {"phrase": "It's", "num_lines": 2}, "It’s a.\nIt's b.", "It’s a.\nIt is b."),
        ("repeat:request_span", {"span": "keeper's life"}, "Of the “keeper’s life”.", "Of the keeper’s life."),
        ("startend:begin_phrase", {"phrase": "Let's see"}, "Let’s see: no.", "Let us see."),
        ("keywords:existence", {"keywords": ["don't"]}, "I don’t.", "I do."),
        ("keywords:frequency", {"keyword": "é", "frequency": 2, "relation": "at least"}, "e\u0301t\u00e9", "ete"),
        ("language:script_words", {"script": "Cyrillic", "count": 2}, "све\u0301т дом", "све\u0301т"),
        (
            "language:response_language",
            {"language": "en-US"},
            "This is plainly English.",
            "Das ist ein deutscher Satz.",
        ),
        ("language:response_language", {"language": "zh"}, "这是一个中文句子,写给大家看。", "This is plainly English."),
    ],
)
def test_words_of_other_characters_in_other_rules(type_id: str, args: dict[str, object], good: str, bad: str) -> None:
    assert verify(type_id, args, View(good))
    assert not verify(type_id, args, View(bad))


@pytest.mark.parametrize(("word", "text"), [("Sun", "Sun-dried tomatoes"), ("don", "don't go")])
def test_a_part_of_a_compound_is_not_its_first_word(word: str, text: str) -> None:
    assert not begins_with(text, word)
    assert ends_with("They went home", "HOME")


def test_folding_leaves_ascii_alone_and_is_stable() -> None:
    assert folded("don't") == "don't"
    assert folded(folded("cafe\u0301’s")) == folded("cafe\u0301’s") == "caf\u00e9's"
    assert whole_word("a.b").search("axb") is None


@pytest.mark.parametrize(
    ("tag", "code"),
    [("en-US", "en"), ("EN_gb", "en"), ("pt-BR", "pt"), ("zh", "zh"), ("zh-CN", "zh-cn"), ("zh-Hans-SG", "zh-cn"),
     ("zh-Hant", "zh-tw"), ("zh-HK", "zh-tw"), ("nb", "no"), ("iw", "he"), ("deu", "de"), (" fr ", "fr"), ("sr-Latn", None),
     ("english", None), ("tlh", None), ("", None), ("-", None)],
)  # fmt: skip
def test_language_tags_are_read_as_the_detector_speaks_them(tag: str, code: str | None) -> None:
    assert canonical(tag) == code


def test_the_languages_are_those_of_the_detector() -> None:
    from pathlib import Path

    from langdetect.detector_factory import PROFILES_DIRECTORY

    assert sorted(path.name for path in Path(PROFILES_DIRECTORY).iterdir()) == sorted(DETECTED)
