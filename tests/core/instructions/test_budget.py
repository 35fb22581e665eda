"""Instructions ask for no longer answers than the tokens of a recipe hold, and files that do are named before a run."""

import json
import random
from pathlib import Path

import pytest

from ifrl_core.config.recipes import build_config, load_recipe
from ifrl_core.constraints.catalog.registry import CATALOG
from ifrl_core.constraints.sampling import sample_constraints
from ifrl_core.constraints.satisfy import unmet, witness_of, words_needed
from ifrl_core.errors import ConfigError
from ifrl_core.evaluation.suite.beyond_budget import beyond_budget
from ifrl_core.instructions.budget import answer_budget, answerable, words_demanded
from ifrl_core.instructions.pass_rates import pass_rates_plan
from ifrl_core.instructions.stage import make_instructions
from ifrl_core.instructions.types import check_types

SEED = "Describe the life of a keeper."


@pytest.mark.parametrize(
    ("policy", "rollouts", "max_words", "words", "field"),
    [
        (48, 64, 50, 36, "policy.max_tokens"),
        (200, 64, 300, 48, "rollouts.max_tokens"),
        (512, 512, 50, 50, "instructions.max_words"),
    ],
)
def test_the_least_of_words_and_tokens_bounds_what_is_drawn(
    policy: int, rollouts: int, max_words: int, words: int, field: str
) -> None:
    recipe = build_config(
        {
            "policy": {"max_tokens": policy},
            "rollouts": {"max_tokens": rollouts},
            "instructions": {"max_words": max_words, "sampling": "corridor"},
        }
    )
    assert (answer_budget(recipe).words, answer_budget(recipe).field) == (words, field)
    drawn, rates = make_instructions.config(recipe), pass_rates_plan(recipe)
    assert rates is not None
    assert drawn == rates.instructions == answerable(recipe)
    assert answerable(recipe).max_words == words


def test_more_tokens_than_the_words_need_make_nothing_new() -> None:
    recipes = [load_recipe("smollm2-one-gpu", [f"policy.max_tokens={tokens}"]) for tokens in (300, 512)]
    assert answerable(recipes[0]) == answerable(recipes[1]) == recipes[0].instructions


@pytest.mark.parametrize(("max_words", "sets"), [(12, 5), (36, 20)])
def test_every_drawn_set_has_a_text_within_the_budget(max_words: int, sets: int) -> None:
    for number in range(sets):
        constraints = sample_constraints(SEED, 5, random.Random(number), hard_share=1.0, max_words=max_words)
        witness = witness_of(constraints, max_words=max_words)
        assert witness is not None
        assert len(witness.split()) <= max_words


def test_constraints_that_fit_one_by_one_but_not_together_are_refused() -> None:
    """What the two need together is counted as 28 words; the shortest text that is known has 35."""
    given = [("format:table", {"columns": 2, "rows": 4}), ("startend:quotation", {})]
    constraints = [CATALOG[type_id].constraint(args) for type_id, args in given]
    assert all(unmet([constraint], 30) is None for constraint in constraints)
    assert words_needed(constraints) <= 30
    assert unmet(constraints, 30) == "longer than max_words"
    assert unmet(constraints, 40) is None


def test_too_few_types_for_the_tokens_are_refused_by_name() -> None:
    short = build_config({"policy": {"max_tokens": 8}, "instructions": {"types": ["detectable_format:json_format"]}})
    with pytest.raises(ConfigError, match=r"6 words \(policy.max_tokens: about what 8 tokens hold\)"):
        check_types(short)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Write a 1,200-word essay on tides.", 1200),
        ("Answer with at least 400 words, and a 200+ word poem.", 400),
        ("Sum this up in about 50 words.", 50),
        ("Use less than 500 words; a book of 90,000 words is long.", 0),
        ("Summarise this 800-word article.", 0),
    ],
)
def test_what_a_seed_demands_of_its_answer(text: str, words: int) -> None:
    assert words_demanded(text) == words


def test_files_that_ask_for_more_are_named_with_count_examples_and_remedy(tmp_path: Path) -> None:
    seeds, rows = tmp_path / "seeds.jsonl", tmp_path / "ifeval.jsonl"
    seeds.write_text('{"seed": "Write a 600-word essay on tides."}\n{"seed": "Name a river."}\n')
    asked = [("a", {"num_words": 300, "relation": "at least"}), ("b", {"num_words": 300, "relation": "less than"})]
    lines = [
        {"key": key, "prompt": "x", "instruction_id_list": ["length_constraints:number_words"], "kwargs": [kwargs]}
        for key, kwargs in asked
    ]
    rows.write_text("".join(json.dumps(line) + "\n" for line in lines))
    recipe = load_recipe(
        "demo-cpu", ["seeds.builtin=false", f"seeds.files=[{seeds}]", f"evaluation.ifeval_path={rows}"]
    )
    of_seeds, of_rows = beyond_budget(recipe)
    assert of_seeds.startswith("seeds: 1 of 2 ask for longer answers than 48 words")
    assert "'Write a 600-word essay on tides.' (600 words). Use a larger policy.max_tokens" in of_seeds
    assert of_rows.startswith("ifeval: 1 of 2 rows need longer answers than 128 tokens hold (about 96 words)")
    assert "'a' (300 words). Use a larger evaluation.ifeval_max_tokens" in of_rows
    assert beyond_budget(load_recipe("demo-cpu", ["seeds.builtin=false", "seeds.files=[/not/there.jsonl]"])) == []
