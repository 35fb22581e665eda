"""What the metrics of a trained policy say of its steps, as a JSON object: `... -m benchmarks.gpu.steps POLICY_FOLDER`.

Medians over the steps but the first (a warm-up); memory is the largest of all.
"""

import json
import statistics
import sys
from pathlib import Path

import pyarrow.parquet as pq

_MEDIANS = ("generate", "score", "forward", "backward", "optimizer", "train", "step")


def steps(folder: Path) -> dict[str, float]:
    rows = pq.read_table(folder / "metrics.parquet").to_pylist()
    warm = rows[1:] or rows
    found = {f"seconds/{name}": statistics.median(row[f"seconds/{name}"] for row in warm) for name in _MEDIANS}
    found |= {name: statistics.median(row[name] for row in warm) for name in ("tokens_per_second", "length/tokens")}
    memory = {name: max(row[name] for row in rows) for name in rows[0] if name.startswith("memory/")}
    return {"steps": len(rows), **found, **memory}


if __name__ == "__main__":
    print(json.dumps(steps(Path(sys.argv[1]))))
