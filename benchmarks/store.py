"""Memory and time of labels from many rollouts: python benchmarks/store.py [--rows 10000 100000 1000000] [--root s3://…].

Synthetic ladders (L0..L4, one sample a rung) with answers of 1 KB, in shards of 16 ladders (what recipes default to), and
prompts in shards of 1,000 ladders. Each size runs in a process of its own, whose peak resident memory is what the operating
system says (ru_maxrss); making the rollouts is not part of it.
"""

import argparse
import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa

from ifrl_core.artifacts import ArtifactRef, ArtifactStore
from ifrl_core.config import LabelsConfig, RolloutsConfig
from ifrl_core.labels.stage import make_labels
from ifrl_core.records import PROMPTS, ROLLOUTS, Constraint, constraint_row

LEVELS = 5  # L0..L4
LADDERS_PER_SHARD = RolloutsConfig().ladders_per_shard
LADDERS_PER_PROMPT_SHARD = 1_000
CONSTRAINTS = [
    constraint_row(constraint)
    for constraint in (
        Constraint("punctuation:no_comma", "hard", "Use no commas."),
        Constraint("tone:friendly", "soft", "Be friendly."),
        Constraint("startend:quotation", "hard", "Wrap the whole answer in double quotation marks."),
        Constraint("content:example", "soft", "Give an example."),
    )
]
WORDS = ("the", "river", "runs", "past", "a", "small", "market,", "where", "people", "trade", "bread,", "music", "news")
HEAD = """| store | rollouts | labels | seconds | CPU seconds | CPU µs a rollout | peak RSS, MiB |
|---|---:|---:|---:|---:|---:|---:|"""


def main() -> None:
    arguments = parse()
    if arguments.measure:
        print(json.dumps(measure(arguments.root, arguments.measure)))
        return
    print(HEAD, flush=True)
    with tempfile.TemporaryDirectory(dir=arguments.scratch) as folder, roots(arguments.root, Path(folder)) as stores:
        for name, (root, env) in stores.items():
            for rows in arguments.rows:
                os.environ.update(env)
                make_rollouts(ArtifactStore(root), rows)
                command = [sys.executable, __file__, "--measure", str(rows), "--root", root]
                done = subprocess.run(command, capture_output=True, text=True, check=True, env={**os.environ, **env})
                took = json.loads(done.stdout)
                print(
                    f"| {name} | {rows:,} | {took['labels']:,} | {took['seconds']:.1f} | {took['cpu']:.1f} "
                    f"| {took['cpu'] / rows * 1e6:.0f} "
                    f"| {took['peak_rss_mb']:,.0f} |",
                    flush=True,
                )


@contextmanager
def roots(given: str | None, folder: Path) -> Iterator[dict[str, tuple[str, dict[str, str]]]]:
    """The store that was asked for; else a folder and an S3 server of this machine (rclone)."""
    if given:
        yield {given.partition("://")[0] if "://" in given else "local": (given, {})}
        return
    from tests.flows.servers import s3_server

    with s3_server(folder) as env:
        yield {"local": (str(folder / "store"), {}), "s3 (rclone)": ("s3://ifrl/store", env)}


def identity(rows: int, kind: str) -> str:
    return f"{rows:x}{ord(kind):x}".rjust(64, "0")


def make_rollouts(store: ArtifactStore, rows: int) -> None:
    """Prompts and rollouts of `rows` answers, shard by shard."""
    source = random.Random(0)
    prompts = store.writer("prompts", 1, identity(rows, "p"), {}, {})
    rollouts = store.writer("rollouts", 1, identity(rows, "r"), {}, {})
    for index, ladders in enumerate(ranges(rows // LEVELS, LADDERS_PER_PROMPT_SHARD)):
        asked = [prompt(ladder, level) for ladder in ladders for level in range(LEVELS)]
        prompts.write_table(f"part-train-{index:05d}.parquet", pa.Table.from_pylist(asked, schema=PROMPTS))
    for index, ladders in enumerate(ranges(rows // LEVELS, LADDERS_PER_SHARD)):
        answered = [rollout(ladder, level, source) for ladder in ladders for level in range(LEVELS)]
        rollouts.write_table(f"part-{index:05d}.parquet", pa.Table.from_pylist(answered, schema=ROLLOUTS))
    prompts.commit({"train_ladders": rows // LEVELS})
    rollouts.commit({})


def ranges(total: int, size: int) -> Iterator[range]:
    return (range(first, min(first + size, total)) for first in range(0, total, size))


def prompt(ladder: int, level: int) -> dict[str, Any]:
    return {
        "prompt_id": f"i-{ladder}-L{level}",
        "instruction_id": f"i-{ladder}",
        "level": level,
        "messages": [{"role": "user", "content": "Tell me about a market town."}],
        "constraints": CONSTRAINTS[:level],
        "split": "train",
    }


def rollout(ladder: int, level: int, source: random.Random) -> dict[str, Any]:
    return {
        "rollout_id": f"i-{ladder}-L{level}-0",
        "prompt_id": f"i-{ladder}-L{level}",
        "sample": 0,
        "text": " ".join(source.choices(WORDS, k=250))[:1024],
        "finish_reason": "stop",
        "prompt_tokens": 10,
        "completion_tokens": 200,
    }


def measure(root: str, rows: int) -> dict[str, float]:
    store = ArtifactStore(root)
    inputs = {kind: found(store, kind, rows) for kind in ("prompts", "rollouts")}
    start, start_cpu = time.perf_counter(), time.process_time()
    ref = make_labels(LabelsConfig(), inputs, store)
    seconds, cpu = time.perf_counter() - start, time.process_time() - start_cpu
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"seconds": seconds, "cpu": cpu, "peak_rss_mb": peak, "labels": ref.rows}


def found(store: ArtifactStore, kind: str, rows: int) -> ArtifactRef:
    ref = store.find(kind, identity(rows, kind[0]))
    assert ref is not None
    return ref


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--root", help="a store root; default: a temporary folder, and a temporary S3 server")
    parser.add_argument("--scratch", help="where temporary folders go")
    parser.add_argument("--measure", type=int, help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    main()
