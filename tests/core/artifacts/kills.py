"""Attempts at a stage that get SIGKILLed, as its own process: python -m tests.core.artifacts.kills WHAT ROOT KILLS SEED.

What is slow to load is loaded once; each attempt is a fork of this process, so that a kill hits the stage and not its
imports. An undisturbed attempt in ROOT/calm comes first; then attempts in ROOT/killed are killed at random moments, KILLS
times; a last one is left alone. Prints JSON: the two digests, and how many shards there were after each kill.
"""

import hashlib
import json
import os
import random
import signal
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path

import pyarrow as pa

from ifrl_core.artifacts import ArtifactRef, ArtifactStore
from ifrl_core.config import NoConfig, RolloutsConfig
from ifrl_core.inference.engine import Completion, Engine, Request, Sampling
from ifrl_core.records import PROMPTS
from ifrl_core.stages.progress import Progress, no_progress
from ifrl_core.stages.stage import Figures, Inputs, Work, stage

LADDERS, RUNGS = 48, 2
CONFIG = RolloutsConfig(max_tokens=4, ladders_per_shard=1, batch_size=4)
WRITTEN = 60  # shards of the stage that does nothing but write
Attempt = Callable[[ArtifactStore], ArtifactRef]


def main() -> None:
    what, root, kills, seed = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
    calm, killed = root / "calm", root / "killed"
    attempt = writes_attempt() if what == "writes" else rollouts_attempt(root, with_model=what == "model-rollouts")
    what, total = ("writes", WRITTEN) if what == "writes" else ("rollouts", LADDERS)
    begun = time.monotonic()
    assert os.waitpid(start(attempt, calm), 0)[1] == 0
    a_shard = (time.monotonic() - begun) / total
    source, shards_at_kill = random.Random(seed), []
    for _ in range(kills):
        # By shards, so that the kills spread over the whole stage whatever the machine's pace; no more of them: at the start.
        goal = min(shards(killed, what) + source.randint(0, 2 * total // (kills + 1)), total)
        pid = start(attempt, killed)
        wait_for(pid, killed, what, goal)
        time.sleep(source.uniform(0, a_shard))
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        shards_at_kill.append(shards(killed, what))
    assert os.waitpid(start(attempt, killed), 0)[1] == 0
    refs = [committed(folder, what) for folder in (calm, killed)]
    digests = [ref.digest for ref in refs]
    print(json.dumps({"digests": digests, "shards_at_kill": shards_at_kill, "fingerprint": refs[0].fingerprint}))


def wait_for(pid: int, folder: Path, what: str, goal: int) -> None:
    """Wait until there are so many shards, or the attempt `pid` has ended."""
    while shards(folder, what) < goal and os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
        time.sleep(0.002)


def shards(folder: Path, what: str) -> int:
    return len(list((folder / what).glob("*/part-*.parquet.json")))


def committed(folder: Path, what: str) -> ArtifactRef:
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


class QuickEngine:
    """Answers that follow from the request alone, at about 80 requests a second: time to be killed in."""

    def generate(
        self, requests: Sequence[Request], sampling: Sampling, progress: Progress = no_progress
    ) -> list[Completion]:
        completions = []
        for request in requests:
            time.sleep(0.01)
            text = hashlib.sha256(f"{request.seed}{request.messages}".encode()).hexdigest()
            completions.append(Completion(text, "stop", 10, 4))
        return completions


def rollouts_attempt(root: Path, *, with_model: bool) -> Attempt:
    """The rollouts stage; `with_model`: of the embedded model, which lies as an artifact in both stores."""
    from ifrl_core.rollouts import shards as rollout_shards
    from ifrl_core.rollouts import stage as rollouts

    model = ArtifactRef.model_validate_json((root / "model.json").read_text())
    engine = model_engine(root, model) if with_model else QuickEngine()
    config = CONFIG if with_model else CONFIG.model_copy(update={"engine": "server", "served_model": "quick"})
    rollout_shards.open_engine = lambda *arguments, **options: engine
    rollouts.forget_engine = lambda: None

    def attempt(store: ArtifactStore) -> ArtifactRef:
        return rollouts.make_rollouts(config, {"model": model, "prompts": prompts(store)}, store)

    return attempt


def model_engine(root: Path, model: ArtifactRef) -> Engine:
    import torch

    torch.set_num_threads(1)  # a thread pool does not survive a fork
    from ifrl_core.inference.open import open_engine

    return open_engine(CONFIG, model, ArtifactStore(str(root / "calm")))


def writes_attempt() -> Attempt:
    """A stage that does nothing but write shards, so that most kills hit a write."""

    @stage("writes", version=1)
    def write(config: NoConfig, inputs: Inputs, work: Work) -> Figures:
        for index in range(WRITTEN):
            name = f"part-{index:05d}.parquet"
            with work.writer.alone(name):
                if not work.writer.recorded(name):
                    work.writer.write_table(name, pa.table({"a": list(range(index * 1000, index * 1000 + 1000))}))
        return {"shards": len(work.writer.names())}

    return lambda store: write(NoConfig(), {}, store)


def prompts(store: ArtifactStore) -> ArtifactRef:
    fingerprint = "9" * 64
    if ref := store.find("prompts", fingerprint):
        return ref
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
