"""Instructions of files that need more words than the tokens of an answer hold: said before a run, and never left out."""

from collections.abc import Iterator, Sequence

from ifrl_core.config import PipelineConfig
from ifrl_core.constraints.satisfy import words_needed
from ifrl_core.errors import InputError
from ifrl_core.evaluation.benchmarks.table import benchmark_named
from ifrl_core.evaluation.suite.answers import answers_config
from ifrl_core.evaluation.suite.benchmark import Item
from ifrl_core.evaluation.suite.rows import (
    GENERAL_LABEL,
    asked_benchmarks,
    benchmark_source,
    chosen,
    name_of,
    read_items,
)
from ifrl_core.instructions.budget import answer_budget, seeds_beyond, words_in
from ifrl_core.records import constraint_of
from ifrl_core.seeds.read import read_seeds

_SHOWN = 3
Long = Sequence[tuple[str, int]]  # what is asked and the words that it needs


def beyond_budget(recipe: PipelineConfig) -> list[str]:
    """A line for the seeds and for each benchmark with instructions that need longer answers than the recipe allows.

    Files that cannot be read here have none: the stages that need them say what is wrong.
    """
    return [*_seeds(recipe), *rows_beyond(recipe)]


def items_beyond(items: Sequence[Item], words: int) -> list[tuple[str, int]]:
    """Ids of items whose constraints need more than `words` words, counted from below, and how many."""
    given = ((item, [constraint_of(row) for row in item.row.get("constraints") or () if row]) for item in items)
    needed = ((item.id, words_needed(constraints)) for item, constraints in given)
    return [(key, count) for key, count in needed if count > words]


def _seeds(recipe: PipelineConfig) -> Iterator[str]:
    budget = answer_budget(recipe)
    try:
        seeds, _ = read_seeds(recipe.seeds.files, builtin=recipe.seeds.builtin)
    except InputError:
        return
    long = [(seed.text[:60], words) for seed, words in seeds_beyond(seeds, budget)]
    if long:
        fields = "instructions.max_words" if budget.tokens is None else "policy.max_tokens and rollouts.max_tokens"
        yield (
            f"seeds: {len(long)} of {len(seeds)} ask for longer answers than {budget}: {_first(long)}. Use a larger "
            f"{fields}, or leave these seeds out"
        )


def rows_beyond(recipe: PipelineConfig) -> Iterator[str]:
    """The lines of the benchmarks."""
    for label, asked in asked_benchmarks(recipe).items():
        if label == GENERAL_LABEL or not _names_rules(label):
            continue
        tokens = answers_config(label, asked, recipe.evaluation).max_tokens
        try:
            source = benchmark_source(label, asked)
            files = dict(zip(source.names, source.paths, strict=True))
            items = chosen(read_items(source.benchmark, files), source.limit)
        except InputError:
            continue
        if long := items_beyond(items, words_in(tokens)):
            own = "ifeval_max_tokens" if label == "ifeval" and asked.path == (recipe.evaluation.ifeval_path,) else ""
            field = f"evaluation.{own or f'benchmarks.{label}.max_tokens'}"
            yield (
                f"{label}: {len(long)} of {len(items)} rows need longer answers than {tokens} tokens hold (about "
                f"{words_in(tokens)} words), before and after alike: {_first(long)}. Use a larger {field}"
            )


def _names_rules(label: str) -> bool:
    """Whether its rows name rules and their arguments."""
    return any("kwargs" in form.needs for form in benchmark_named(name_of(label)).answered)


def _first(long: Long) -> str:
    more = ", …" if len(long) > _SHOWN else ""
    return ", ".join(f"{name!r} ({words} words)" for name, words in long[:_SHOWN]) + more
