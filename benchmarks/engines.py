"""Tokens a second of the transformers engine and of the server engine, each against its plain rival, on IFEval's prompts.

    python benchmarks/engines.py IFEVAL.jsonl [--prompts 96] [--batch-size 32] [--max-tokens 64 256]
    python benchmarks/engines.py IFEVAL.jsonl --server http://127.0.0.1:8000/v1 --served-model NAME

The transformers engine's rival is `model.generate` over batches in order of arrival, with the same weights, dtype, batch size
and sampling; the server engine's is raw httpx with the same number of requests in flight. Useful tokens are counted alone:
those before an answer's end. Both sides take turns. For vLLM see benchmarks/vllm_engine.py.
"""

import argparse
import asyncio
import json
import os
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # as `ifrl` sets it, before torch is loaded

import httpx
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from ifrl_core.artifacts import ArtifactStore
from ifrl_core.inference import Request, Sampling
from ifrl_core.inference.engine import Engine
from ifrl_core.inference.server_engine import ServerEngine
from ifrl_core.inference.transformers_engine import TransformersEngine
from ifrl_core.models.dtype import usable_dtype
from ifrl_core.models.folder import model_folder
from ifrl_core.models.stage import import_model, model_source

Way = Callable[[Sequence[Request], int], int]  # (requests, longest answer) -> useful tokens


def main() -> None:
    arguments = parse()
    lines = arguments.ifeval.read_text().splitlines()[: arguments.prompts]
    requests = [Request([{"role": "user", "content": json.loads(line)["prompt"]}], n) for n, line in enumerate(lines)]
    in_flight = arguments.batch_size
    if arguments.server:
        kind, rival = "server", raw_httpx(arguments.server, arguments.served_model, in_flight)
        engine: Engine = ServerEngine([arguments.server], arguments.served_model, concurrency=in_flight)
    else:
        folder = embedded_model()
        kind, rival = "transformers", plain_generate(folder, in_flight)
        engine = TransformersEngine(folder, batch_size=in_flight)
    ways = {"rival": rival, "engine": by(engine)}
    print("| engine | requests | in flight | longest answer | rival tok/s | engine tok/s | ratio |")
    print("|---|---:|---:|---:|---:|---:|---:|")
    for max_tokens in arguments.max_tokens:
        for way in ways.values():
            way(requests[:4], 4)
        seconds, tokens = dict.fromkeys(ways, 0.0), dict.fromkeys(ways, 0)
        for _ in range(arguments.rounds):
            for name, way in ways.items():
                start = time.perf_counter()
                tokens[name] += way(requests, max_tokens)
                seconds[name] += time.perf_counter() - start
        theirs, ours = (tokens[name] / seconds[name] for name in ways)
        print(
            f"| {kind} | {len(requests)} | {in_flight} | {max_tokens} | {theirs:.0f} | {ours:.0f} | {ours / theirs:.2f} |",
            flush=True,
        )


def by(engine: Engine) -> Way:
    return lambda requests, max_tokens: sum(
        completion.completion_tokens for completion in engine.generate(requests, Sampling(max_tokens))
    )


def plain_generate(folder: Path, batch_size: int) -> Way:
    device = "cuda" if torch.cuda.is_available() else "cpu"
    dtype = usable_dtype("bfloat16", device)
    tokenizer = AutoTokenizer.from_pretrained(folder, padding_side="left")
    model: Any = AutoModelForCausalLM.from_pretrained(folder, dtype=getattr(torch, dtype)).to(device).eval()

    @torch.inference_mode()
    def way(requests: Sequence[Request], max_tokens: int) -> int:
        torch.manual_seed(0)
        useful = 0
        for start in range(0, len(requests), batch_size):
            chats = [list(request.messages) for request in requests[start : start + batch_size]]
            inputs: Any = tokenizer.apply_chat_template(
                chats, add_generation_prompt=True, padding=True, return_dict=True, return_tensors="pt"
            ).to(device)
            output = model.generate(**inputs, max_new_tokens=max_tokens, do_sample=True, temperature=1.0, top_k=0)
            for answer in output[:, inputs["input_ids"].shape[1] :].tolist():
                useful += answer.index(tokenizer.eos_token_id) if tokenizer.eos_token_id in answer else len(answer)
        return useful

    return way


def raw_httpx(url: str, model: str, in_flight: int) -> Way:
    async def ask(requests: Sequence[Request], max_tokens: int) -> int:
        free = asyncio.Semaphore(in_flight)
        async with httpx.AsyncClient(timeout=None, limits=httpx.Limits(max_connections=None)) as client:

            async def one(request: Request) -> int:
                body = {"model": model, "messages": request.messages, "max_tokens": max_tokens, "seed": request.seed}
                async with free:
                    response = await client.post(
                        f"{url}/chat/completions", json=body | {"temperature": 1.0, "top_p": 1.0}
                    )
                tokens: int = response.json()["usage"]["completion_tokens"]
                return tokens

            return sum(await asyncio.gather(*map(one, requests)))

    return lambda requests, max_tokens: asyncio.run(ask(requests, max_tokens))


def embedded_model() -> Path:
    store = ArtifactStore(str(Path(tempfile.gettempdir()) / "ifrl-bench"))
    return model_folder(import_model(model_source("embedded:smollm2-135m"), {}, store), store)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("ifeval", type=Path)
    parser.add_argument("--prompts", type=int, default=96)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--max-tokens", type=int, nargs="+", default=[64, 256])
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--server", default="")
    parser.add_argument("--served-model", default="")
    return parser.parse_args()


if __name__ == "__main__":
    main()
