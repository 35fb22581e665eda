"""The built-in seed instructions: enough of them, all different, and free for constraints to be added."""

import json
import re
from collections import Counter
from functools import cache
from importlib import resources
from itertools import combinations
from pathlib import Path

from ifrl_core.seeds.read import BUILTIN, normalised, read_seeds
from ifrl_core.seeds.split import split_seeds

IFEVAL = Path(__file__).parents[4] / "shared" / "data" / "ifeval_input_data.jsonl"
ROWS = [
    json.loads(line)
    for line in (resources.files("ifrl_core") / "data" / "seeds.jsonl").read_text(encoding="utf-8").splitlines()
]
NUMBER = r"(?:\d+|two|three|four|five|six|seven|eight|nine|ten|a few|several)"
ITEMS = r"(?:tips|ways|reasons|examples|ideas|facts|steps|points|items|parts|lines|verses|stanzas|questions|things)"
CONSTRAINTS = re.compile(
    r"\b(?:brief|briefly|concise|sentences?|paragraphs?|bullets?|syllables?|letters? [a-z]\b|words?|stanzas?"
    r"|in the style|tone|formal|informal|funny|humorous|rhym\w*|haiku|limerick|sonnet|format|json|markdown|headings?"
    r"|upper ?case|lower ?case|capital letters|commas?|at least|at most|exactly|no more than|less than|fewer than"
    rf"|step by step|in (?:english|french|german|spanish)|{NUMBER} {ITEMS})\b"
    r"|\b(?:write|give|tell|make) (?:me )?a (?:very )?(?:short|long) ",
    re.IGNORECASE,
)


@cache
def words(text: str) -> tuple[str, ...]:
    return tuple(re.findall(r"[\w']+", text.lower()))


@cache
def grams(text: str, size: int) -> frozenset[tuple[str, ...]]:
    found = words(text)
    return frozenset(found[i : i + size] for i in range(len(found) - size + 1))


def jaccard(one: frozenset[tuple[str, ...]], two: frozenset[tuple[str, ...]]) -> float:
    return len(one & two) / max(1, len(one | two))


def test_there_are_enough_with_the_declared_fields() -> None:
    assert len(ROWS) == 500
    assert all(set(row) == {"seed_id", "seed", "topic", "form"} for row in ROWS)
    assert all(value and value == value.strip() for row in ROWS for value in row.values())
    assert [row["seed_id"] for row in ROWS] == [f"s{number:04d}" for number in range(1, len(ROWS) + 1)]


def test_no_text_occurs_twice() -> None:
    assert len({normalised(row["seed"]).casefold() for row in ROWS}) == len(ROWS)


def test_topics_and_forms_are_varied() -> None:
    topics, forms = (Counter(row[name] for row in ROWS) for name in ("topic", "form"))
    assert len(topics) >= 25
    assert len(forms) >= 25
    assert max(topics.values()) <= 0.05 * len(ROWS)
    assert max(forms.values()) <= 0.10 * len(ROWS)


def test_every_seed_is_one_printable_request_of_the_declared_length() -> None:
    assert [row for row in ROWS if not 6 <= len(words(row["seed"])) <= 32 or not row["seed"].isprintable()] == []


def test_no_seed_carries_a_constraint_of_its_own() -> None:
    assert [row for row in ROWS if CONSTRAINTS.search(row["seed"])] == []


def test_the_constraint_pattern_finds_constraints() -> None:
    for text in (
        "Explain tides in two sentences.",
        "Give me five tips for better sleep.",
        "Write a short story about a fox.",
        "Describe a town without using commas.",
        "List 10 ways to save money.",
        "Explain gravity in a formal tone.",
    ):
        assert CONSTRAINTS.search(text), text


def test_no_two_seeds_are_near_duplicates() -> None:
    for one, two in combinations([row["seed"] for row in ROWS], 2):
        assert jaccard(grams(one, 5), grams(two, 5)) <= 0.2, (one, two)
        assert jaccard(grams(one, 1), grams(two, 1)) <= 0.6, (one, two)


def test_even_the_commonest_opening_is_rare() -> None:
    shared = Counter(gram for row in ROWS for gram in grams(row["seed"], 5))
    assert {" ".join(gram): count for gram, count in shared.items() if count > 0.03 * len(ROWS)} == {}


def test_no_seed_is_an_ifeval_prompt_in_disguise() -> None:
    prompts = [grams(json.loads(line)["prompt"], 5) for line in IFEVAL.read_text(encoding="utf-8").splitlines()]
    for row in ROWS:
        mine = grams(row["seed"], 5)
        assert max(len(mine & prompt) for prompt in prompts) <= 0.5 * len(mine), row["seed"]


def test_the_package_reads_all_of_them_and_splits_them() -> None:
    seeds, rejected = read_seeds([], builtin=True)
    assert len(seeds) == len({seed.seed_id for seed in seeds}) == len(ROWS)
    assert not rejected
    assert {seed.source for seed in seeds} == {BUILTIN}
    held_out = [seed for seed in split_seeds(seeds, 0.2, 0) if seed.split == "held_out"]
    assert 60 <= len(held_out) <= 140  # 500 draws at 0.2: 100 +- 9, so more than 4 standard deviations
