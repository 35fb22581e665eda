"""Does what the demo teaches hold outside its catalog? Models on IFBench, Collie and the rule rows of FollowBench.

    ifrl demo
    python benchmarks/outside.py ROWS embedded:smollm2-135m POLICY [POLICY ...] [--tokens 128] [--collie 200]

ROWS holds the official files: ifbench/IFBench_test.jsonl, collie/collie_v1.jsonl.gz (written out as JSONL) and
followbench/en/*.json. POLICY: a policy's folder, such as `model` of a run's artifact `policy`. FollowBench's rows that only
a judge can grade are left out, so that nobody answers them for nothing. Prints a line a metric, the models side by side,
and each policy's difference from the first model with its paired 95% interval by row (by ladder on FollowBench).
"""

import argparse
import gzip
import json
import tempfile
import time
from pathlib import Path
from typing import Any

from flows.benchmark import benchmark
from ifrl_core.artifacts import ArtifactRef, ArtifactStore
from ifrl_core.config import BenchmarkConfig
from ifrl_core.evaluation.benchmarks.followbench import FOLLOWBENCH
from ifrl_core.evaluation.suite.benchmark import Terms
from ifrl_core.report.benchmark_text import benchmarks_text
from ifrl_core.settings import configure_environment, store_root


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("rows", type=Path)
    parser.add_argument("models", nargs="+")
    parser.add_argument("--tokens", type=int, default=128)
    parser.add_argument("--collie", type=int, default=200)
    asked = parser.parse_args()
    configure_environment()
    start = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        rules = by_rules(asked.rows / "followbench" / "en", Path(folder))
        named = {
            "ifbench": BenchmarkConfig(
                path=(str(asked.rows / "ifbench" / "IFBench_test.jsonl"),), max_tokens=asked.tokens
            ),
            "collie": BenchmarkConfig(
                path=(str(asked.rows / "collie" / "collie_v1.jsonl.gz"),), limit=asked.collie, max_tokens=asked.tokens
            ),
            "followbench": BenchmarkConfig(path=(str(rules),), max_tokens=asked.tokens),
        }
        result = benchmark(models=asked.models, benchmarks=named, overrides=["name=outside"])
    report = ArtifactRef.model_validate(result["report"])
    data: dict[str, Any] = ArtifactStore(store_root()).read_json(report, "report.json")
    print(benchmarks_text(data["benchmarks"]))
    print(f"\n{time.monotonic() - start:.0f} s in all")


def by_rules(source: Path, target: Path) -> Path:
    """The files of FollowBench with the ladders that rules alone grade."""
    for file in sorted(source.glob("*.json")):
        judged = set()
        with FOLLOWBENCH.grade(Terms()) as grade:
            for item in FOLLOWBENCH.read(str(file)):
                try:
                    next(grade(item, ["x"]))
                except StopIteration:
                    continue
                judged.add(item.cluster)
        rows = json.loads(file.read_text())
        kept = [row for row in rows if f"{row['source']}-{row['example_id']}" not in judged]
        if kept:
            (target / f"{file.stem}.json.gz").write_bytes(gzip.compress(json.dumps(kept).encode()))
    return target


if __name__ == "__main__":
    main()
