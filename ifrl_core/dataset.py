"""From seeds to ladders of prompts: three stages that need no model.

seeds         read, reject, split into train and held-out before anything else
instructions  a seed with 3..5 constraints
prompts       the ladder L0..Ln of every instruction
"""

import hashlib
import random
from collections import Counter
from collections.abc import Iterable, Iterator
from importlib.resources import files
from itertools import islice
from typing import Any, TypeVar

import pyarrow as pa
from pydantic import Field

from ifrl_core.artifacts.files import content_digest
from ifrl_core.config import InstructionsConfig, NoConfig, SeedsConfig, StageConfig
from ifrl_core.constraints import ladder
from ifrl_core.constraints.model import Instruction
from ifrl_core.constraints.sampling import sample_constraints
from ifrl_core.errors import InputError
from ifrl_core.schemas import INSTRUCTIONS, PROMPTS, REJECTED, SEEDS, constraint_row, instruction_of
from ifrl_core.seeds import at_most, read_seeds, split_seeds
from ifrl_core.stage import Figures, Inputs, Work, stage

ROWS_PER_SHARD = 5_000
SPLITS = ("train", "held_out")
T = TypeVar("T")


class SeedsSource(StageConfig):
    """What the seeds stage reads, by content: renaming or moving a file makes nothing new."""

    paths: tuple[str, ...] = Field(exclude=True)
    digests: tuple[str, ...]
    builtin: bool
    train: int
    held_out: int
    held_out_share: float


def seeds_source(config: SeedsConfig) -> SeedsSource:
    """Name the seeds by their content.

    Raises:
        InputError: for a file that cannot be read.
    """
    shipped = hashlib.sha256(files("ifrl_core").joinpath("data/seeds.jsonl").read_bytes()).hexdigest()
    digests = sorted(content_digest(path) for path in config.files)
    return SeedsSource(
        paths=config.files,
        digests=(*digests, *([shipped] if config.builtin else [])),
        builtin=config.builtin,
        train=config.train,
        held_out=config.held_out,
        held_out_share=config.held_out_share,
    )


@stage("seeds", version=1)
def make_seeds(config: SeedsSource, inputs: Inputs, work: Work) -> Figures:
    """Columns: schemas.SEEDS; broken records go to rejected.parquet (schemas.REJECTED) with line and reason."""
    texts, rejected = read_seeds(config.paths, builtin=config.builtin)
    seeds = split_seeds(texts, config.held_out_share, work.seed)
    train = at_most([s for s in seeds if s.split == "train"], config.train, work.seed)
    held_out = at_most([s for s in seeds if s.split == "held_out"], config.held_out, work.seed)
    if len(train) < 2 or len(held_out) < 2:
        raise InputError(
            f"{len(texts)} seeds gave {len(train)} train and {len(held_out)} held-out ones; each side needs at least 2: "
            "add seeds, set seeds.builtin, or change seeds.held_out_share"
        )
    rows = [{"seed_id": s.seed_id, "seed": s.text, "source": s.source, "split": s.split} for s in (*train, *held_out)]
    work.writer.write_table("part-00000.parquet", pa.Table.from_pylist(rows, schema=SEEDS))
    bad = [{"source": r.source, "line": r.line, "reason": r.reason, "record": r.record} for r in rejected]
    work.writer.write_table("rejected.parquet", pa.Table.from_pylist(bad, schema=REJECTED))
    work.progress(1, 1, f"{len(train)} train and {len(held_out)} held-out seeds, {len(bad)} rejected")
    sources = Counter(seed.source for seed in (*train, *held_out))
    return {
        "read": len(texts),
        "train": len(train),
        "held_out": len(held_out),
        "rejected": len(bad),
        "rejected_examples": bad[:20],
        "sources": dict(sources),
    }


@stage("instructions", version=1)
def make_instructions(config: InstructionsConfig, inputs: Inputs, work: Work) -> Figures:
    """inputs: seeds. The catalog writer adds constraints to every seed; columns: schemas.INSTRUCTIONS."""
    counts: Counter[str] = Counter()
    rows: dict[str, list[dict[str, Any]]] = {split: [] for split in SPLITS}
    for row in work.store.rows(inputs["seeds"]):
        constraints = _constraints(config, row["seed_id"], row["seed"], work.seed)
        counts.update(f"{item.kind} {item.type}" for item in constraints)
        rows[row["split"]].append(
            {
                "instruction_id": row["seed_id"].replace("seed-", "i-"),
                "seed": row["seed"],
                "constraints": [constraint_row(item) for item in constraints],
                "writer": config.writer,
                "split": row["split"],
            }
        )
    _write_by_split(work, rows, INSTRUCTIONS)
    work.progress(1, 1, f"{sum(map(len, rows.values()))} instructions")
    return {"types": dict(sorted(counts.items())), **{split: len(rows[split]) for split in SPLITS}}


@stage("prompts", version=1)
def make_prompts(config: NoConfig, inputs: Inputs, work: Work) -> Figures:
    """inputs: instructions. Every rung of every ladder, ladder by ladder; columns: schemas.PROMPTS."""
    rows: dict[str, list[dict[str, Any]]] = {split: [] for split in SPLITS}
    ladders: Counter[str] = Counter()
    for row in work.store.rows(inputs["instructions"]):
        ladders[row["split"]] += 1
        rows[row["split"]].extend(_rungs(instruction_of(row), row["split"]))
    _write_by_split(work, rows, PROMPTS)
    levels = Counter(str(row["level"]) for row in rows["train"])
    work.progress(1, 1, f"{sum(map(len, rows.values()))} prompts")
    return {
        "train_ladders": ladders["train"],
        "held_out_ladders": ladders["held_out"],
        "train_prompts": len(rows["train"]),
        "held_out_prompts": len(rows["held_out"]),
        "train_prompts_by_level": dict(sorted(levels.items())),
    }


def _constraints(config: InstructionsConfig, seed_id: str, text: str, seed: int) -> list[Any]:
    rng = random.Random(f"{seed}:{seed_id}")
    count = rng.randint(config.min_constraints, config.max_constraints)
    types = config.types or None
    return sample_constraints(text, count, rng, types=types, hard_share=config.hard_share, max_words=config.max_words)


def _rungs(instruction: Instruction, split: str) -> Iterator[dict[str, Any]]:
    for level, messages in enumerate(ladder.rungs(instruction)):
        yield {
            "prompt_id": f"{instruction.instruction_id}-L{level}",
            "instruction_id": instruction.instruction_id,
            "level": level,
            "messages": messages,
            "constraints": [constraint_row(item) for item in instruction.constraints[:level]],
            "split": split,
        }


def _write_by_split(work: Work, rows: dict[str, list[dict[str, Any]]], schema: pa.Schema) -> None:
    for split, of_split in rows.items():
        for index, batch in enumerate(_batches(of_split, ROWS_PER_SHARD)):
            work.writer.write_table(f"part-{split}-{index:05d}.parquet", pa.Table.from_pylist(batch, schema=schema))


def _batches(items: Iterable[T], size: int) -> Iterator[list[T]]:
    iterator = iter(items)
    while batch := list(islice(iterator, size)):
        yield batch
