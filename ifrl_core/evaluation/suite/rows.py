"""The stage `benchmark`: the rows of a benchmark in the store, so that every model is asked the same ones."""

import json
from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import Any

import pyarrow as pa
from pydantic import Field

from ifrl_core.artifacts import ArtifactRef, ArtifactStore
from ifrl_core.artifacts.digest import digest_of_source
from ifrl_core.artifacts.files import filesystem
from ifrl_core.config import BenchmarkConfig, PipelineConfig, StageConfig
from ifrl_core.errors import InputError
from ifrl_core.evaluation.benchmarks.table import benchmark_named
from ifrl_core.evaluation.suite.benchmark import Benchmark, Item
from ifrl_core.identity.code import digest_of_code
from ifrl_core.identity.fields import How
from ifrl_core.stages.stage import Figures, Inputs, Work, stage
from ifrl_core.statistics.by_hash import rank_by_hash

ITEMS = pa.schema(
    [
        ("item_id", pa.string()),
        ("turns", pa.string()),  # JSON: of each turn its messages
        ("row", pa.string()),  # JSON: what grading reads
        ("cluster", pa.string()),
        ("slices", pa.string()),  # JSON
    ]
)
GENERAL_LABEL = "general"
_DIGITS = 16
_SUFFIXES = (".json", ".jsonl", ".csv", ".parquet", ".gz")


class BenchmarkSource(StageConfig):
    """A benchmark's files by content; `names` tell them apart where there are several."""

    benchmark: str
    names: tuple[str, ...]
    digests: tuple[str, ...]
    paths: How[tuple[str, ...]] = Field(exclude=True)
    limit: int | None


def name_of(label: str) -> str:
    """The benchmark that a label means: `followbench` of `followbench:zh`."""
    return label.partition(":")[0]


def asked_benchmarks(recipe: PipelineConfig) -> dict[str, BenchmarkConfig]:
    """The benchmarks of a recipe, by label: IFEval and general problems of their own keys, then those of `benchmarks`.

    General problems have no file: they are those that training holds out.
    """
    section, asked = recipe.evaluation, dict[str, BenchmarkConfig]()
    if section.ifeval_path is not None:
        path, limit = (section.ifeval_path,), section.ifeval_prompts
        asked["ifeval"] = BenchmarkConfig(path=path, limit=limit, max_tokens=section.ifeval_max_tokens)
    if section.general_prompts:
        asked[GENERAL_LABEL] = BenchmarkConfig(path=(), max_tokens=section.general_max_tokens)
    return asked | section.benchmarks


def _with_files(recipe: PipelineConfig) -> dict[str, BenchmarkSource]:
    return {name: benchmark_source(name, asked) for name, asked in asked_benchmarks(recipe).items() if asked.path}


def benchmark_source(label: str, config: BenchmarkConfig) -> BenchmarkSource:
    """Name the files of a benchmark by content.

    Raises:
        InputError: when there is no benchmark of that name, or a file cannot be read.
    """
    benchmark = benchmark_named(name_of(label))
    paths = [file for path in config.path for file in _files(path)]
    names = _names(paths)
    if len(set(names)) < len(names):
        raise InputError(f"evaluation.benchmarks.{label}: two of its files have one name and folder; rename one")
    digests = tuple(digest_of_source(path) for path in paths)
    return BenchmarkSource(
        benchmark=benchmark.name, names=names, digests=digests, paths=tuple(paths), limit=config.limit
    )


@stage(
    "benchmark",
    version=1,
    inputs=(),
    each=_with_files,
    content=lambda config: {"reading": digest_of_code(benchmark_named(config.benchmark).read)[:_DIGITS]},
    seeded=False,
)
def import_benchmark(config: BenchmarkSource, inputs: Inputs, work: Work) -> Figures:
    """Copy the chosen rows of a benchmark's files into the store."""
    items = read_items(config.benchmark, dict(zip(config.names, config.paths, strict=True)))
    return write_items(benchmark_named(config.benchmark), chosen(items, config.limit), work)


def write_items(benchmark: Benchmark, items: Sequence[Item], work: Work) -> Figures:
    """The items as the one table of an artifact; its figures."""
    work.writer.write_table("part-00000.parquet", items_table(items))
    clusters = {item.cluster or item.id for item in items}
    counts = {"items": len(items), "clusters": len(clusters), "turns": max(len(item.turns) for item in items)}
    return {"benchmark": benchmark.name, "title": benchmark.title, **counts}


def read_items(benchmark: str, files: dict[str, str]) -> list[Item]:
    """The items of a benchmark's files (by name); of several, ids and clusters begin with the file's name.

    Raises:
        InputError: when a file is not as expected, there is no row, or two have one id.
    """
    read = benchmark_named(benchmark).read
    items = [_of_file(item, name if len(files) > 1 else "") for name, path in files.items() for item in read(path)]
    seen: set[str] = set()
    for item in items:
        if item.id in seen:
            raise InputError(f"{benchmark}: two rows have the id {item.id!r}; give each its own")
        seen.add(item.id)
    if not items:
        raise InputError(f"{benchmark}: {', '.join(files.values())} holds no row")
    return items


def chosen(items: Sequence[Item], limit: int | None) -> list[Item]:
    """At most `limit` of them in their order: whole clusters, by hash, so that a larger limit only adds some.

    The first cluster is whole even when it is larger.
    """
    if limit is None or len(items) <= limit:
        return list(items)
    sizes: dict[str, int] = {}
    for item in items:
        sizes[item.cluster] = sizes.get(item.cluster, 0) + 1
    kept: set[str] = set()
    count = 0
    for cluster in sorted(sizes, key=rank_by_hash):
        if kept and count + sizes[cluster] > limit:
            break
        kept.add(cluster)
        count += sizes[cluster]
    return [item for item in items if item.cluster in kept]


def items_table(items: Sequence[Item]) -> pa.Table:
    """The items under ITEMS."""
    rows = [
        {
            "item_id": item.id,
            "turns": _json([list(turn) for turn in item.turns]),
            "row": _json(item.row),
            "cluster": item.cluster or item.id,
            "slices": _json(dict(item.slices)),
        }
        for item in items
    ]
    return pa.Table.from_pylist(rows, schema=ITEMS)


def items_of(ref: ArtifactRef, store: ArtifactStore, start: int = 0, end: int | None = None) -> list[Item]:
    """The items of an artifact, from place `start` to before `end`."""
    return items_in(store.read_table(ref, "part-00000.parquet").slice(start, None if end is None else end - start))


def items_in(table: pa.Table) -> list[Item]:
    """The items of a table under ITEMS."""
    return [
        Item(
            row["item_id"],
            tuple(tuple(turn) for turn in json.loads(row["turns"])),
            json.loads(row["row"]),
            row["cluster"],
            json.loads(row["slices"]),
        )
        for row in table.to_pylist()
    ]


def _of_file(item: Item, file: str) -> Item:
    if not file:
        return item
    cluster, slices = f"{file}/{item.cluster or item.id}", {**item.slices, "file": file}
    return Item(f"{file}/{item.id}", item.turns, item.row, cluster, slices)


def _names(paths: Sequence[str]) -> tuple[str, ...]:
    """Files without their endings; where two are called alike (BBEH's task.json), with their folders' names before."""
    stems = [PurePosixPath(path).name.partition(".")[0] for path in paths]
    if len(set(stems)) == len(stems):
        return tuple(stems)
    return tuple(f"{PurePosixPath(path).parent.name}-{stem}" for path, stem in zip(paths, stems, strict=True))


def _files(path: str) -> list[str]:
    """The path itself, the files of a folder in the order of their names, or what a pattern with * finds.

    Raises:
        InputError: when there is nothing, or nothing of a known kind.
    """
    try:
        fs, inner = filesystem(path)
        if "*" in path:
            protocol = path.partition("://")[0] + "://" if "://" in path else ""
            return [f"{protocol}{name}" for name in sorted(fs.glob(inner))] or _nothing(path)
        if not fs.isdir(inner):
            return [path]
        names = sorted(PurePosixPath(name).name for name in fs.ls(inner, detail=False))
    except InputError:
        raise
    except Exception as error:  # every fsspec backend has its own kinds of failure
        raise InputError(f"{path}: cannot be opened ({type(error).__name__}: {error}); check the path") from error
    found = [f"{path.rstrip('/')}/{name}" for name in names if name.endswith(_SUFFIXES)]
    if not found:
        raise InputError(f"{path}: a folder without files ending in {', '.join(_SUFFIXES)}")
    return found


def _nothing(path: str) -> list[str]:
    raise InputError(f"{path}: no file is called so")


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=True)  # ASCII: half a surrogate pair in a row stays what it is
