"""The seeds stage: read, reject, split into train and held-out before anything else."""

from collections import Counter
from collections.abc import Sequence

import pyarrow as pa
from pydantic import Field

from ifrl_core.config import PipelineConfig, SeedsConfig, StageConfig
from ifrl_core.errors import ConfigError, InputError
from ifrl_core.identity.fields import How
from ifrl_core.models.control_marks import COMMON
from ifrl_core.models.rendering import rendering_of
from ifrl_core.records import REJECTED, SEEDS, Row, with_conversations
from ifrl_core.seeds.conversations import texts_in
from ifrl_core.seeds.read import Rejected, digest_of_seeds, read_seeds
from ifrl_core.seeds.record import PLAIN
from ifrl_core.seeds.split import Seed, at_most, split_seeds
from ifrl_core.stages.stage import Figures, Inputs, Work, stage


class SeedsSource(StageConfig):
    """What the seeds stage reads, by what its readers make of it: files of other names, places or kinds that hold the same
    seeds make nothing new, and a reader that reads one file otherwise does."""

    paths: How[tuple[str, ...]] = Field(exclude=True)
    digest: str
    builtin: bool
    train: int
    held_out: int
    held_out_share: float
    rendering: str = Field("", exclude_if=lambda digest: not digest, description="rendering_of the conversations")


def seeds_source(config: SeedsConfig) -> SeedsSource:
    """Name the seeds by what they say.

    Raises:
        InputError: as `read_seeds`.
    """
    texts, rejected = read_seeds(config.files, builtin=config.builtin)
    return SeedsSource(
        paths=config.files,
        digest=digest_of_seeds((item.said for item in texts), rejected),
        builtin=config.builtin,
        train=config.train,
        held_out=config.held_out,
        held_out_share=config.held_out_share,
        rendering=rendering_of(item.conversation for item in texts),
    )


def _check_some(recipe: PipelineConfig) -> None:
    if not recipe.seeds.builtin and not recipe.seeds.files:
        raise ConfigError("seeds.builtin is false and seeds.files is empty: name files of seeds, or set seeds.builtin")


@stage("seeds", version=1, inputs=(), config=lambda recipe: seeds_source(recipe.seeds), check=_check_some)
def make_seeds(config: SeedsSource, inputs: Inputs, work: Work) -> Figures:
    """Columns: records.SEEDS, and `messages` where there are conversations. Broken records go to rejected.parquet
    (records.REJECTED) with line and reason."""
    texts, rejected = read_seeds(config.paths, builtin=config.builtin)
    seeds = split_seeds(texts, config.held_out_share, work.seed)
    train = at_most([s for s in seeds if s.split == "train"], config.train, work.seed)
    held_out = at_most([s for s in seeds if s.split == "held_out"], config.held_out, work.seed)
    return write_seeds(work, len(texts), train, held_out, rejected)


def write_seeds(
    work: Work, read: int, train: Sequence[Seed], held_out: Sequence[Seed], rejected: Sequence[Rejected]
) -> Figures:
    """Commit the seeds of a stage, out of `read` ones, with what was rejected beside them.

    Raises:
        InputError: when a split has fewer than two.
    """
    kinds = Counter(item.kind for item in rejected)
    why = f", most often: {kinds.most_common(1)[0][0]}" if kinds else ""
    if len(train) < 2 or len(held_out) < 2:
        raise InputError(
            f"{read} seeds gave {len(train)} train and {len(held_out)} held-out ones; each side needs at least 2: "
            "add seeds, set seeds.builtin, or change seeds.held_out_share"
            + (f". {len(rejected)} records were rejected{why}" if rejected else "")
        )
    rows = list(map(_row, (*train, *held_out)))
    work.writer.write_table("part-00000.parquet", pa.Table.from_pylist(rows, schema=with_conversations(SEEDS, rows)))
    bad = [{"source": r.source, "line": r.line, "reason": r.reason, "record": r.record} for r in rejected]
    work.writer.write_table("rejected.parquet", pa.Table.from_pylist(bad, schema=REJECTED))
    work.progress(1, 1, f"{len(train)} train and {len(held_out)} held-out seeds, {len(bad)} rejected{why}")
    chosen = (*train, *held_out)
    return {
        "read": read,
        "train": len(train),
        "held_out": len(held_out),
        "rejected": len(bad),
        "with_marks": sum(any(map(COMMON.search, texts_in(seed.conversation.messages))) for seed in chosen),
        "rejected_kinds": dict(kinds.most_common(20)),
        "rejected_examples": bad[:20],
        "sources": dict(Counter(seed.source for seed in chosen)),
        **_of_shapes(chosen),
    }


def _row(seed: Seed) -> Row:
    return {
        "seed_id": seed.seed_id,
        "seed": seed.text,
        "source": seed.source,
        "split": seed.split,
        "messages": seed.messages or None,
    }


def _of_shapes(seeds: Sequence[Seed]) -> Figures:
    """How many seeds came in which shape, how many are conversations, and what of them is not used; nothing of plain ones."""
    shapes = Counter(seed.shape for seed in seeds)
    if set(shapes) <= {PLAIN}:
        return {}
    return {
        "shapes": dict(shapes.most_common()),
        "conversations": sum(bool(seed.messages) for seed in seeds),
        "with_history": sum(bool(seed.conversation.history) for seed in seeds),
        "with_system": sum(bool(seed.conversation.system) for seed in seeds),
        "with_tools": sum(bool(seed.conversation.tools) for seed in seeds),
        "answers_left_out": sum(seed.left_out for seed in seeds),
    }
