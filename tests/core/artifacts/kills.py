"""Attempts at a stage that get SIGKILLed, as its own process: python -m tests.core.artifacts.kills WHAT ROOT KILLS SEED.

What is slow to load is loaded once; each attempt is a fork of this process, so that a kill hits the stage and not its
imports. An undisturbed attempt in ROOT/calm comes first; then attempts in ROOT/killed are killed at random moments, KILLS
times; a last one is left alone. Prints JSON: the two digests, and how many shards there were after each kill.
"""

import json
import os
import random
import signal
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa

from ifrl_core.artifacts import ArtifactRef, ArtifactStore
from ifrl_core.config import NoConfig, RolloutsConfig
from ifrl_core.records import PROMPTS
from ifrl_core.stages.stage import Figures, Inputs, Work, stage

LADDERS, RUNGS = 48, 2
CONFIG = RolloutsConfig(max_tokens=4, ladders_per_shard=1, batch_size=4)
# An attempt is killed within the time that an undisturbed one takes for so many shards, and when it has made so many more:
# rollouts must not be finished before the kills are.
SHARDS_IN_TIME = {"rollouts": 3, "writes": 60}
MOST_SHARDS = {"rollouts": 2, "writes": 60}
Attempt = Callable[[ArtifactStore], ArtifactRef]


def main() -> None:
    what, root, kills, seed = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
    attempt = {"rollouts": rollouts_attempt, "writes": writes_attempt}[what]()
    calm, killed = root / "calm", root / "killed"
    pid, begun, longest = start(attempt, calm), time.monotonic(), 0.0
    while os.waitpid(pid, os.WNOHANG) == (0, 0):
        if shards(calm, what) < SHARDS_IN_TIME[what]:
            longest = time.monotonic() - begun
        time.sleep(0.002)
    source, got = random.Random(seed), []
    for _ in range(kills):
        before, pid, ends = shards(killed, what), start(attempt, killed), time.monotonic() + source.uniform(0, longest)
        while time.monotonic() < ends and shards(killed, what) < before + MOST_SHARDS[what]:
            time.sleep(0.002)
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        got.append(shards(killed, what))
    assert os.waitpid(start(attempt, killed), 0)[1] == 0
    refs = [found(folder, what) for folder in (calm, killed)]
    print(
        json.dumps({"digests": [ref.digest for ref in refs], "shards_at_kill": got, "fingerprint": refs[0].fingerprint})
    )


def shards(folder: Path, what: str) -> int:
    return len(list((folder / what).glob("*/part-*.parquet.json")))


def found(folder: Path, what: str) -> ArtifactRef:
    (manifest,) = (folder / what).glob("*/manifest.json")
    ref = ArtifactStore(str(folder)).find(what, manifest.parent.name)
    assert ref is not None
    return ref


def start(attempt: Attempt, folder: Path) -> int:
    """Fork a process that makes one attempt in the store at `folder`; its id."""
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            attempt(ArtifactStore(str(folder)))
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)
    return pid


def rollouts_attempt() -> Attempt:
    """The rollouts stage with the embedded model, which lies as an artifact in both stores."""
    import torch

    torch.set_num_threads(1)  # a thread pool does not survive a fork
    from ifrl_core.inference.open import open_engine
    from ifrl_core.models.folder import model_folder
    from ifrl_core.rollouts import stage as rollouts

    model = ArtifactRef.model_validate_json((Path(sys.argv[2]) / "model.json").read_text())
    # Of both stores, so that no attempt has to hash the model again.
    stores = [ArtifactStore(f"{sys.argv[2]}/{name}") for name in ("calm", "killed")]
    for store in stores:
        model_folder(model, store)
    engine = open_engine(CONFIG, model, stores[0])
    rollouts.open_engine = lambda *arguments: engine
    rollouts.forget_engine = lambda: None

    def attempt(store: ArtifactStore) -> ArtifactRef:
        return rollouts.make_rollouts(CONFIG, {"model": model, "prompts": prompts(store)}, store)

    return attempt


def writes_attempt() -> Attempt:
    """A stage that does nothing but write shards, so that most kills hit a write."""

    @stage("writes", version=1)
    def write(config: NoConfig, inputs: Inputs, work: Work) -> Figures:
        for index in range(60):
            name = f"part-{index:05d}.parquet"
            with work.writer.alone(name):
                if not work.writer.recorded(name):
                    work.writer.write_table(name, pa.table({"a": list(range(index * 1000, index * 1000 + 1000))}))
        return {"shards": len(work.writer.names())}

    return lambda store: write(NoConfig(), {}, store)


def prompts(store: ArtifactStore) -> ArtifactRef:
    fingerprint = "9" * 64
    if found := store.find("prompts", fingerprint):
        return found
    rows = [
        {
            "prompt_id": f"i-{ladder}-L{level}",
            "instruction_id": f"i-{ladder}",
            "level": level,
            "messages": [
                {"role": "user", "content": f"Write a line about the number {ladder}." + " Be brief." * level}
            ],
            "constraints": [],
            "split": "train",
        }
        for ladder in range(LADDERS)
        for level in range(RUNGS)
    ]
    writer = store.writer("prompts", 1, fingerprint, {}, {})
    writer.write_table("part-train-00000.parquet", pa.Table.from_pylist(rows, schema=PROMPTS))
    return writer.commit({"train_ladders": LADDERS})


if __name__ == "__main__":
    main()
