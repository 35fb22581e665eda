"""`ifrl serve` and offline scoring against the paper's kind of service (flask_reward_service.py) and the bare forward pass.

    OMP_WAIT_POLICY=PASSIVE python benchmarks/reward_service.py REWARD_MODEL_FOLDER [--requests 5000] [--clients 200]

One model, one machine, one run; all ways take turns, round by round, so that other work on the machine hits them alike.
Responses have five constraints each. After every round the table so far is printed: pairs per second
of the clock, and of processor time of the process that scores (clients not counted).
"""

import argparse
import asyncio
import math
import os
import re
import socket
import statistics
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import psutil
import torch
from reward_model_scoring import make_pairs
from transformers import AutoModelForSequenceClassification, AutoTokenizer
from transformers.utils.logging import disable_progress_bar

from ifrl_core.models.dtype import usable_dtype
from ifrl_core.reward_model.model.packing import pack, token_batches
from ifrl_core.reward_model.model.score import RewardModel
from ifrl_core.reward_model.model.settings import read_settings
from ifrl_core.reward_model.model.template import encode

CONSTRAINTS = 5
FEW = 200  # pairs a round of the measurements beside the load test
FLASK_REQUESTS = 40  # a round and number of clients
Pair = tuple[str, str]
Job = tuple[str, dict[str, object], slice]  # path, body, which of the pairs it asks for


@dataclass
class Way:
    """What one way took so far; `differences` from offline scoring."""

    pairs: int = 0
    seconds: float = 0.0
    cpu_seconds: float = 0.0
    errors: int = 0
    latencies: list[float] = field(default_factory=list)
    differences: list[float] = field(default_factory=list)

    def add(self, load: "Load", expected: Sequence[float | None] = ()) -> None:
        self.pairs += len(load.found)
        self.seconds += load.seconds
        self.cpu_seconds += load.cpu_seconds
        self.errors += load.errors
        self.latencies += load.latencies
        both = zip(load.found, expected, strict=False)
        self.differences += [abs(a - b) for a, b in both if a is not None and b is not None]


@dataclass
class Load:
    """One measurement: `found[i]` is what pair i got, None where nothing came."""

    found: list[float | None]
    seconds: float
    cpu_seconds: float
    errors: int = 0
    latencies: list[float] = field(default_factory=list)


def main() -> None:
    arguments = parse()
    disable_progress_bar()
    folder = arguments.folder
    pairs = make_pairs(arguments.requests // CONSTRAINTS, CONSTRAINTS, arguments.tokens)
    scorer = RewardModel(folder)
    if arguments.load_only:
        ways: dict[str, Way] = defaultdict(Way)
        with ifrl(folder) as server:
            ways[f"`/predict`, {arguments.clients} clients"].add(
                run(server, singles(pairs), arguments.clients), scorer.probabilities(pairs)
            )
        print_table(ways, len(pairs))
    else:
        compare(folder, scorer, pairs, arguments.rounds, arguments.clients)


def compare(folder: Path, scorer: RewardModel, pairs: list[Pair], rounds: int, clients: int) -> None:
    """All ways, round by round; the service in float32 once, at the end."""
    ways: dict[str, Way] = defaultdict(Way)
    size = len(pairs) // rounds
    prepare, forward = bare(folder, scorer)
    with flask(folder) as flask_server, ifrl(folder) as server:
        for ask in (flask_server, server):
            run(ask, singles(pairs[:20]), 4)  # the first requests of a process are slow
        scorer.probabilities(pairs[:FEW])
        forward(prepare(pairs[:FEW]))
        for start in range(0, size * rounds, size):
            part, few = pairs[start : start + size], pairs[start : start + FEW]
            offline = timed(lambda few=few: scorer.probabilities(few))
            ways["offline, packed"].add(offline)
            ids = prepare(few)
            ways["bare forward over the same tokens"].add(timed(lambda ids=ids: forward(ids), len(few)))
            expected = [*offline.found, *scorer.probabilities(part[FEW:])]
            for number in (1, clients):
                load = run(flask_server, singles(few[:FLASK_REQUESTS]), number)
                ways[f"Flask, {number} client{'s' * (number > 1)}"].add(load, expected)
            ways[f"`/predict`, {clients} clients"].add(run(server, singles(part), clients), expected)
            loyal = run(server, singles(few), clients, keep=CONSTRAINTS)
            ways["the same, every client asks for one response after another"].add(loyal, expected)
            ways[f"`/v1/score`, {clients} clients"].add(run(server, by_response(few), clients), expected)
            print_table(ways, size)
    exact = RewardModel(folder, dtype="float32").probabilities(pairs[:FEW])
    with ifrl(folder, "--dtype", "float32") as server:
        ways[f"`/predict`, {clients} clients, float32"].add(run(server, singles(pairs[:FEW]), clients), exact)
    print_table(ways, size)


def print_table(ways: dict[str, Way], size: int) -> None:
    print(f"\n{usable_dtype()}, {torch.get_num_threads()} threads, rounds of {size} pairs\n")
    print("| way | pairs | pairs/s | pairs per CPU second | median, p99 latency | errors | largest difference |")
    print("|---|---:|---:|---:|---:|---:|---:|")
    for name, way in ways.items():
        cells = [name, f"{way.pairs:,}", f"{way.pairs / way.seconds:.1f}", f"{way.pairs / way.cpu_seconds:.1f}"]
        times = sorted(way.latencies) or [0.0]
        cells.append(f"{statistics.median(times):.2f} s, {times[math.ceil(0.99 * len(times)) - 1]:.2f} s")
        cells += [str(way.errors), f"{max(way.differences, default=0):.1e}"]
        print(f"| {' | '.join(cells)} |", flush=True)


def bare(
    folder: Path, scorer: RewardModel
) -> tuple[Callable[[list[Pair]], list[torch.Tensor]], Callable[[list[torch.Tensor]], object]]:
    """The backbone alone over the tokens that packing leaves, in batches of the same sizes: no tokeniser, padding, mask or
    head. The first function makes the inputs, the second is what is timed."""
    tokenizer, most = AutoTokenizer.from_pretrained(folder), read_settings(folder).max_tokens
    model = AutoModelForSequenceClassification.from_pretrained(folder, dtype=getattr(torch, usable_dtype()))
    backbone = model.base_model.to(scorer._device).eval()

    def prepare(pairs: list[Pair]) -> list[torch.Tensor]:
        batches = token_batches(pack(encode(tokenizer, pairs, most)), scorer._batch_tokens)
        sizes = [(len(batch), round(statistics.mean(row.length for row in batch))) for batch in batches]
        return [torch.randint(100, 10_000, size, device=scorer._device) for size in sizes]

    @torch.inference_mode()
    def forward(batches: list[torch.Tensor]) -> object:
        # Reading a number waits for a GPU.
        return [float(backbone(ids, use_cache=False).last_hidden_state[0, 0, 0]) for ids in batches]

    return prepare, forward


def timed(call: Callable[[], object], pairs: int | None = None) -> Load:
    """What `call` took in this process; `pairs`: how many it stood for, where it does not return their probabilities."""
    cpu, start = time.process_time(), time.perf_counter()
    made = call()
    seconds, cpu_seconds = time.perf_counter() - start, time.process_time() - cpu
    return Load(made if pairs is None else [None] * pairs, seconds, cpu_seconds)


@contextmanager
def flask(folder: Path) -> Iterator["Server"]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, str(Path(__file__).with_name("flask_reward_service.py")), str(folder), str(port)]
    with running(command) as process:
        wait_for(port)
        yield Server(f"http://127.0.0.1:{port}", psutil.Process(process.pid))


@contextmanager
def ifrl(folder: Path, *options: str) -> Iterator["Server"]:
    command = [sys.executable, "-m", "flows.cli", "serve", str(folder), "--port", "0", *options]
    with running(command) as process:
        url = re.search(r"http://\S+", process.stdout.readline())[0]
        wait_for(int(url.rsplit(":", 1)[1]))
        yield Server(url, psutil.Process(process.pid))


@dataclass(frozen=True)
class Server:
    url: str
    process: psutil.Process

    def cpu_seconds(self) -> float:
        times = self.process.cpu_times()
        return times.user + times.system


@contextmanager
def running(command: list[str]) -> Iterator[subprocess.Popen[str]]:
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent)}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment)
    try:
        yield process
    finally:
        process.terminate()
        process.wait()


def wait_for(port: int) -> None:
    for _ in range(1200):
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except ConnectionRefusedError:
            time.sleep(0.1)
        else:
            return
    raise SystemExit(f"nothing listens on port {port}")


def singles(pairs: list[Pair]) -> list[Job]:
    """One pair a request, pairs of one response side by side."""
    return [
        ("/predict", {"question": constraint, "answer": response}, slice(index, index + 1))
        for index, (response, constraint) in enumerate(pairs)
    ]


def by_response(pairs: list[Pair]) -> list[Job]:
    """All constraints of one response a request."""
    starts = range(0, len(pairs), CONSTRAINTS)
    groups = (pairs[start : start + CONSTRAINTS] for start in starts)
    return [
        (
            "/v1/score",
            {"response": group[0][0], "constraints": [constraint for _, constraint in group]},
            slice(start, start + CONSTRAINTS),
        )
        for start, group in zip(starts, groups, strict=True)
    ]


def run(server: Server, jobs: list[Job], clients: int, *, keep: int = 1) -> Load:
    """All jobs over HTTP; a client takes the next `keep` jobs of the list and asks for them one after another."""
    cpu = server.cpu_seconds()
    load = asyncio.run(_run(server.url, jobs, clients, keep))
    load.cpu_seconds = server.cpu_seconds() - cpu
    return load


async def _run(url: str, jobs: list[Job], clients: int, keep: int) -> Load:
    queue = iter([jobs[start : start + keep] for start in range(0, len(jobs), keep)])
    found: list[float | None] = [None] * (jobs[-1][2].stop)
    latencies, errors = [], 0

    async def client(session: aiohttp.ClientSession) -> None:
        nonlocal errors
        for own in queue:
            for path, body, place in own:
                start = time.perf_counter()
                try:
                    async with session.post(f"{url}{path}", json=body) as response:
                        document = await response.json()
                        values = [document["value"]] if path == "/predict" else document["probabilities"]
                        found[place] = values
                except (aiohttp.ClientError, KeyError, TimeoutError):
                    errors += 1
                latencies.append(time.perf_counter() - start)

    timeout = aiohttp.ClientTimeout(total=600)
    start = time.perf_counter()
    async with aiohttp.ClientSession(timeout=timeout, connector=aiohttp.TCPConnector(limit=clients)) as session:
        await asyncio.gather(*(client(session) for _ in range(clients)))
    return Load(found, time.perf_counter() - start, 0.0, errors, latencies)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--requests", type=int, default=5000, help="of the load test")
    parser.add_argument(
        "--tokens", type=int, default=200, help="of the longest responses; the shortest have 3/4 of them"
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--load-only", action="store_true", help="only the load test of /predict, in one go")
    parser.add_argument("--clients", type=int, default=200)
    return parser.parse_args()


if __name__ == "__main__":
    main()
