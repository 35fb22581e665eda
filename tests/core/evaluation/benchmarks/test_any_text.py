"""The rules of outside benchmarks on any text: no exception, and cost grows linearly with length."""

import time
from collections.abc import Callable
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ifrl_core.constraints.verifiers.view import View
from ifrl_core.evaluation.benchmarks.bbeh import right
from ifrl_core.evaluation.benchmarks.rules import collie, followbench
from ifrl_core.evaluation.benchmarks.rules.ifbench.rules import OFFICIAL, RULES
from ifrl_core.rewards.problems.verify import chosen_letter
from tests.long_texts import long_texts, longer_texts

MEGABYTE = 1_000_000
QUICK = ("a wide gap", "amount", "characters", "distinct words", "latex", "newlines", "points")
USUAL = ("newlines", "prose", "scripts", "short sentences")
ARGUMENTS = {
    "N": 2, "small_n": 1, "n": 1, "m": 1, "percentage": 50, "min_words": 1, "max_words": 9, "keyword": "a", "word": "a",
    "options": "a/b", "sep": "-", "reference_text": "aa", "prompt_to_repeat": "a b", "n_start": 0, "n_end": 1,
    **{f"keyword{i}": "a" for i in range(1, 6)},
}  # fmt: skip
Rule = Callable[[str], object]


def ifbench_rules() -> dict[str, Rule]:
    rules = {**RULES, **{f"{name} as upstream": rule for name, rule in OFFICIAL.items() if RULES[name] is not rule}}

    def checked(name: str) -> Rule:
        rule = rules[name]
        return lambda text: rule.check(View(text), **{argument: ARGUMENTS[argument] for argument in rule.arguments})

    return {name: checked(name) for name in rules}


def followbench_rules() -> dict[str, Rule]:
    """The rules of sources, each check of a ladder alone (a long text seldom gets to the later ones), and templates."""
    rules: dict[str, Rule] = {
        "example": lambda text: followbench.satisfied("en", "example", "1", "", 1, "A{answer}b", text)
    }
    for lang in ("en", "zh"):
        for source in followbench._RULES:
            target = "['a']" if source == "CONLL2003" else "a"
            rules[f"{lang} {source}"] = lambda text, lang=lang, source=source, target=target: followbench.satisfied(  # type: ignore[misc]
                lang, "content", "1", source, 5, target, text
            )

    def alone(check: Rule) -> Rule:
        def rule(text: str) -> object:
            with suppress(IndexError, ValueError):  # it may rely on an earlier one
                return check(text)

        return rule

    ladders = [*followbench._LEVELS.items(), *((key, levels[-1]) for key, levels in followbench._FORMAT_LEVELS.items())]
    for (lang, source, *example), checks in ladders:
        category, example_id = ("format", example[0]) if example else ("content", "1")
        rules[f"{lang} {source}"] = lambda text, row=(lang, category, example_id, source, 5, "a"): (
            followbench.satisfied(*row, text)
        )
        for place, check in enumerate(checks):
            rules[f"{lang} {source} {place}"] = alone(check)
    return rules


def collie_rules() -> dict[str, Rule]:
    """A level, what is taken of it, and a relation each, over the text and over its paragraphs."""

    def rule(unit: str | None, level: str, transformation: dict[str, object], operand: str, target: object) -> Rule:
        tree = {
            "type": "Constraint",
            "input_level": {"level": unit},
            "target_level": {"level": level},
            "transformation": transformation,
            "relation": {"operand": operand},
            "reduction": {"reduction": "all"},
        }
        return lambda text: collie.satisfied(tree, target, text)

    levels = ("character", "word", "sentence", "paragraph")
    count, last = {"type": "Count"}, {"type": "Position", "position": [0, -1]}
    return {
        **{f"count {level}": rule(None, level, count, ">=", 3) for level in levels},
        **{f"count {level} a paragraph": rule("paragraph", level, count, ">=", 1) for level in levels[:3]},
        **{f"ends {level}": rule(None, level, last, "==", ["a", "b"]) for level in levels},
        "words without one": rule(None, "word", {"type": "Ellipsis"}, "not in", "zebra"),
        "letters a word": rule("word", "character", {"type": "ForEach", "func": count}, "<=", 9),
    }


SETS: dict[str, dict[str, Rule]] = {
    "ifbench": ifbench_rules(),
    "followbench": followbench_rules(),
    "collie": collie_rules(),
    "answers": {"bbeh": lambda text: right(text, "(A)"), "choice": chosen_letter},
}


@settings(max_examples=30, deadline=None)
@given(
    st.text(
        st.sampled_from("aA1 \n\t.?!,;:\"'`*-_()[]{}<>/|=$é中か。美元😀\u200d\ufe0f\u0301\r\x00\ud800"), max_size=60
    )
)
def test_no_text_makes_a_rule_raise(text: str) -> None:
    for rules in SETS.values():
        for rule in rules.values():
            rule(text)


@pytest.mark.usefixtures("nothing_to_collect")
@pytest.mark.parametrize("of", SETS)
@pytest.mark.parametrize(
    ("name", "share"),
    [
        *((name, 0.02) for name in QUICK),
        *(pytest.param(name, 1.0, marks=pytest.mark.soak) for name in (*longer_texts(100), *USUAL)),
    ],
)
def test_a_megabyte_is_judged_in_about_a_second_by_any_rule(of: str, name: str, share: float) -> None:
    """The aim: 1 s a megabyte on an idle core; the bound leaves room for a busy one and, in short texts, for noise."""
    size = round(share * MEGABYTE)
    text = (long_texts(size) | longer_texts(size))[name]
    for named, rule in SETS[of].items():
        rule("a")  # what it imports
        start = time.process_time()
        rule(text)
        assert time.process_time() - start < 1.5 * share + 0.1, named
