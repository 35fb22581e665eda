"""What the benchmarks of a recipe ask of a model, for `ifrl plan`: counted in their files, where these are at hand."""

from collections.abc import Iterator, Sequence

from ifrl_core.config import MEASURED_AT_MOST, BenchmarkConfig, PipelineConfig
from ifrl_core.errors import InputError
from ifrl_core.evaluation.benchmarks.table import benchmark_named
from ifrl_core.evaluation.suite.answers import answers_config
from ifrl_core.evaluation.suite.benchmark import Item
from ifrl_core.evaluation.suite.rows import asked_benchmarks, benchmark_source, chosen, name_of, read_items
from ifrl_core.plan.stages import AskedBenchmark


def planned_benchmarks(recipe: PipelineConfig) -> Iterator[AskedBenchmark]:
    """Of every benchmark with files; one whose files are not here is counted by its limit, a turn a row."""
    section = recipe.evaluation
    for label, asked in asked_benchmarks(recipe).items():
        if not asked.path:
            continue
        config, curve = answers_config(label, asked, section), "judge" not in benchmark_named(name_of(label)).needs
        turns = _turns(label, asked)
        measured = None if turns is None else sum(turns[:MEASURED_AT_MOST]) if curve else 0
        yield AskedBenchmark(
            label=label,
            answers=None if turns is None else sum(turns) * config.samples,
            max_tokens=config.max_tokens,
            measured=measured,
            own=label in section.benchmarks,
        )


def _turns(label: str, asked: BenchmarkConfig) -> Sequence[int] | None:
    """Answers that each row takes; None: neither file nor limit says how many rows there are."""
    try:
        source = benchmark_source(label, asked)
        files = dict(zip(source.names, source.paths, strict=True))
        items: Sequence[Item] = chosen(read_items(source.benchmark, files), source.limit)
    except InputError:
        return None if asked.limit is None else [1] * asked.limit
    return [len(item.turns) for item in items]
