"""Each rule of our own on a text that satisfies it and one that just misses."""

from typing import Any

import pytest

from ifrl_core.constraints.catalog.hard.ifeval_format_rules import RULES as IFEVAL_FORMAT
from ifrl_core.constraints.catalog.hard.ifeval_words_rules import RULES as IFEVAL_WORDS
from ifrl_core.constraints.catalog.registry import CATALOG
from ifrl_core.constraints.turn_types import TurnType
from ifrl_core.constraints.verdict import verify
from ifrl_core.constraints.verifiers.view import View

# type, arguments, satisfied by, missed by
EXAMPLES: list[tuple[str, dict[str, Any], str, str]] = [
    ("words:first_word", {"word": "Today"}, '"today is fine."', "Well, today is fine."),
    ("words:last_word", {"word": "home"}, "They went Home.", "They went home again."),
    ("words:max_length", {"max_letters": 5}, "Birds sing (today).", "Little birds sing."),
    ("words:long_words", {"count": 1, "min_letters": 9}, "A beautiful day.", "A splendid day."),
    ("words:starting_letter", {"letter": "b", "count": 2}, "Big boats.", "Big ships."),
    ("words:avoid_starting_letter", {"letter": "b"}, "About ships.", "About boats."),
    ("words:ending", {"suffix": "ing", "count": 2}, "Walking, then SINGING.", "Walking, then singer."),
    ("words:order", {"first": "sun", "second": "sea"}, "Sun over sea and sun.", "Sea under the sun, and sea."),
    ("words:hyphenated", {"count": 1}, "A well-known fact.", "A well known - fact."),
    ("words:no_first_person", {}, "They say it is theirs.", "They say I’m late."),
    ("words:no_contractions", {}, "The cat's tail does not move.", "It's the cat."),
    ("words:no_contractions", {}, "We do not know.", "We don’t know."),
    ("words:no_filler_words", {}, "A justly good day.", "Just a good day."),
    ("length:characters", {"relation": "at most", "num_characters": 5}, " 12345\n", "123456"),
    ("length:characters", {"relation": "at least", "num_characters": 6}, "123456", "12345      "),
    ("length:exact_sentences", {"num_sentences": 2}, "Dr. Who came. He left.", "He came."),
    ("length:sentence_words", {"max_words": 3}, "One two three. Four.", "One two three four."),
    ("length:sentence_words", {"max_words": 3}, "## One two\nThree four.", "One two, three four."),
    ("length:first_sentence", {"num_words": 2}, "It rains. We stay at home.", "It rains now. Good."),
    ("length:lines", {"num_lines": 2}, "a\n\n b \n", "a\nb\nc"),
    ("length:line_characters", {"max_characters": 10}, "1234567890\n1", "12345678901"),
    ("length:paragraphs", {"num_paragraphs": 2}, "a\nb\n \n\nc", "a\nb\nc"),
    (
        "length:paragraph_sentences",
        {"num_paragraphs": 2, "num_sentences": 1},
        "We go.\n\nThey stay.",
        "We go. They stay.\n\nGood.",
    ),
    ("punctuation:ban", {"mark": "hyphen or dash"}, "A fine day.", "A fine day – really."),
    ("punctuation:exact", {"mark": "semicolon", "count": 1}, "a; b", "a; b; c"),
    ("punctuation:final", {"mark": "?"}, 'He asked: "Why?"', "Why? I see."),
    ("punctuation:every_sentence", {"mark": "!"}, "Go! Now!", "Go! Now."),
    ("punctuation:parentheses", {"count": 1}, "So (it is).", "So () it is."),
    ("punctuation:quoted", {"count": 2}, 'He said "no" and “yes”.', 'He said "no" and yes.'),
    ("numbers:none", {}, "Three cats.", "3 cats."),
    ("numbers:include", {"number": 42}, "It is 42.", "It is 1,042 or 42.5."),
    ("numbers:ascending", {"count": 2}, "From 9 to 10.", "From 10 to 9 to 11."),
    ("numbers:date", {"format": "YYYY-MM-DD"}, "On 2024-02-29.", "On 2023-02-29."),
    ("numbers:date", {"format": "Month D, YYYY"}, "On MAY 17, 2024.", "On May 17 2024."),
    ("numbers:clock_time", {"count": 1}, "At 7:30.", "At 27:30 or 7:99."),
    ("numbers:quantity", {"unit": "kg", "count": 1}, "It weighs 3.5kg.", "It weighs 3 kgs."),
    ("lists:numbered", {"num_items": 2}, "List:\n1. a\n2) b", "1. a\n3. b"),
    ("lists:lettered", {"num_items": 2}, "a) one\nb) two", "a) one\nc) two"),
    ("lists:checkbox", {"num_items": 1}, "- [ ] do it", "- do it"),
    ("format:table", {"columns": 2, "rows": 1}, "|a|b|\n|---|:-:|\n|1|2|", "|a|b|\n|---|---|\n|1|2|\n|3|4|"),
    ("format:code_fence", {"language": "python"}, "So:\n```python\nx = 1\n```", "```\nx = 1\n```"),
    ("format:headings", {"num_headings": 1}, "# A\ntext #b", "## A\n### B"),
    ("format:block_quote", {"num_lines": 1}, "He said:\n> hello", "He said: > hello"),
    ("format:bold_word", {"word": "sun"}, "The **Sun** shines.", "The *sun* shines."),
    ("format:tag", {"tag": "note"}, "<note>Hi.</note>", "<note></note>"),
    ("format:fields", {"names": ["Goal", "Time"]}, "**Goal:** rest\nTime: now", "Time: now\nGoal: rest"),
    ("format:hashtags", {"count": 1}, "# Title\nGood #day", "#good #day"),
    ("format:signature", {"name": "Ben"}, "Bye.\n— Ben", "Bye. — Ben"),
    ("letters:acrostic", {"word": "sun"}, "Sea\n\nUp\nnow", "Sea\nUp\nNow\nOh"),
    ("letters:palindrome", {"min_letters": 9}, "So: hm.\nStep on no pets!", "Top spot."),
    ("sentences:start_letter", {"letter": "t"}, "They go. Then rest.", "They go. We rest."),
    ("sentences:distinct_starts", {"num_sentences": 2}, "We go. They rest.", "We go. We rest."),
    ("sentences:avoid_start", {"word": "The"}, "Then the end.", "So it is. The end."),
    ("startend:begin_phrase", {"phrase": "To be honest,"}, '"to be honest, no."', "Well, to be honest, no."),
    ("repeat:phrase", {"phrase": "of course", "count": 2}, "Of course, of course.", "Of course."),
    ("repeat:bookend", {}, "We go. It rains. We go.", "We go. It rains. We stay."),
    ("repeat:verbatim", {"sentence": "Time will tell."}, "So? Time will tell.", "So? time will tell."),
    ("repeat:anaphora", {"phrase": "Maybe", "num_lines": 2}, "Maybe a.\nMaybe b.", "Maybe a.\nOr b.\nMaybe c."),
    ("repeat:request_span", {"span": "the life of"}, "You say “The life of”.", "You say the life of."),
    ("order:alphabetical_lines", {"num_lines": 2}, "Apples\nbread", "Bread\nApples"),
    ("language:script_words", {"script": "Greek", "count": 1}, "It is φως.", "It is свет."),
    ("case:capital_word", {"word": "sun"}, "The SUN.", "The Sun and SUNNY days."),
    ("case:first_line_capitals", {}, "LOUD LINE\nquiet line", "LOUD LINE\nLOUD TOO"),
]


@pytest.mark.parametrize(("type_id", "args", "good", "bad"), EXAMPLES)
def test_a_rule_tells_the_satisfying_text_from_the_one_that_just_misses(
    type_id: str, args: dict[str, Any], good: str, bad: str
) -> None:
    assert verify(type_id, args, View(good))
    assert not verify(type_id, args, View(bad))


def test_every_rule_of_our_own_has_an_example() -> None:
    alone = {type_.id for type_ in CATALOG.values() if type_.kind == "hard" and not isinstance(type_, TurnType)}
    ours = alone - set(IFEVAL_WORDS) - set(IFEVAL_FORMAT)  # of conversations: tests/core/constraints/test_turns.py
    assert {type_id for type_id, *_ in EXAMPLES} == ours


@pytest.mark.parametrize("text", ["", " \n\t", "\u2003"])
def test_an_empty_answer_satisfies_nothing(text: str) -> None:
    assert not verify("punctuation:no_comma", {}, View(text))
    assert not verify("numbers:none", {}, View(text))
