"""A stage whose every run makes other bytes, as its own process: python -m tests.core.artifacts.slow_stage ROOT LOG FILE.

It works until there is FILE, appends "begin PID" and "end PID" to LOG around that, and prints the digest of what it got.
"""

import logging
import os
import sys
import time
from pathlib import Path

import pyarrow as pa

from ifrl_core.artifacts import ArtifactStore
from ifrl_core.config import NoConfig
from ifrl_core.stages.stage import Figures, Inputs, Work, stage

SHARDS = 4


@stage("slow", version=1)
def slow(config: NoConfig, inputs: Inputs, work: Work) -> Figures:
    log, go_on = Path(os.environ["SLOW_LOG"]), Path(os.environ["SLOW_UNTIL"])
    with log.open("a") as out:
        out.write(f"begin {os.getpid()}\n")
    for index in range(SHARDS):
        table = pa.table({"pid": [os.getpid()], "time": [time.time_ns()]})
        work.writer.write_table(f"part-{index:05d}.parquet", table)
        while not go_on.exists():
            time.sleep(0.05)
    with log.open("a") as out:
        out.write(f"end {os.getpid()}\n")
    return {"pid": os.getpid()}


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, stream=sys.stderr)
    root, os.environ["SLOW_LOG"], os.environ["SLOW_UNTIL"] = sys.argv[1:]
    store = ArtifactStore(root)
    ref = slow(NoConfig(), {}, store)
    store.verify(ref)
    print(ref.digest)
