"""Peak memory of a training process of the policy on the CPU, against the arithmetic of `ifrl plan`.

    python benchmarks/policy_memory.py MODEL_FOLDER

Each line is two steps of the stage's own process, on a random model with MODEL's tokenizer, whose answers are as long as they
may be. Measured is the peak of resident memory (`memory/process_gib`, which begins anew with every step) above what the
process held with its libraries loaded; the plan is without its two GiB for CUDA and gaps.
"""

import json
import os
import resource
import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

SIZES = {"hidden_size": 576, "intermediate_size": 1536, "num_attention_heads": 9, "num_key_value_heads": 3}
LINES: tuple[tuple[int, dict[str, Any]], ...] = (
    (8, {"max_tokens": 64}),
    (16, {"max_tokens": 64}),
    (16, {"max_tokens": 64, "gradient_checkpointing": True}),
    (30, {"max_tokens": 64, "lora": {"rank": 16}}),
)
_GIB = 2**30
_PROMPT_TOKENS = 256
SHARES = (0.3, 0.4, 0.5, 0.6)


def main(model: str) -> None:
    from ifrl_core.config import PipelineConfig, PolicyConfig
    from ifrl_core.models.shapes import model_shape
    from ifrl_core.plan.batches import batches_of
    from ifrl_core.plan.memory import estimate
    from ifrl_core.plan.sizes import OVERHEAD
    from ifrl_core.training.launch import KEEP_MEMORY

    print("| layers | trained | format | planned, GiB | measured, GiB | measured / planned |")
    print("|---|---|---|---|---|---|")
    for layers, options in LINES:
        policy = PolicyConfig(**COMMON, **options)
        with TemporaryDirectory() as folder:
            write_model(Path(model), Path(folder) / "model", {**SIZES, "num_hidden_layers": layers})
            config = PipelineConfig(policy=policy)
            planned = estimate(config, model_shape(f"{folder}/model"), batches_of(policy))
            peak = planned.peak - planned.reward_model - OVERHEAD / _GIB
            command = [sys.executable, __file__, folder, policy.model_dump_json()]
            done = subprocess.run(command, env={**os.environ, **KEEP_MEMORY}, capture_output=True, text=True)
        if done.returncode:
            sys.exit(done.stderr)
        measured = float(done.stdout.splitlines()[-1])
        cells = [str(layers), _how(policy), "bf16" if policy.bf16 else "float32", f"{peak:.2f}", f"{measured:.2f}"]
        print("| " + " | ".join([*cells, f"{measured / peak:.2f}"]) + " |", flush=True)


def _how(policy: Any) -> str:
    if policy.lora:
        return f"LoRA {policy.lora.rank}"
    top = f"top {policy.trained_layers}" if policy.trained_layers else "all"
    return f"{top}, recomputed" if policy.gradient_checkpointing else top


COMMON: dict[str, Any] = {
    "max_steps": 2,
    "prompts_per_step": 2,
    "generations": 8,
    "micro_batch": 8,
    "max_prompt_tokens": _PROMPT_TOKENS,
    "beta": 0,
    "save_steps": 100,
    "curriculum": {"levels": [[1]]},
    "launch": {"device": "cpu"},
}


def write_model(source: Path, target: Path, sizes: dict[str, int]) -> None:
    """A random model of these sizes with the tokenizer and the config of `source`."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    shutil.copytree(source, target, ignore=shutil.ignore_patterns("*.safetensors"))
    config = AutoConfig.from_pretrained(source)
    for name, value in {**sizes, "head_dim": sizes["hidden_size"] // sizes["num_attention_heads"]}.items():
        setattr(config, name, value)
    torch.manual_seed(0)
    AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16).save_pretrained(target)


def train(folder: Path, document: str) -> None:
    """Print GiB of the peak above what the loaded libraries take."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    from ifrl_core.config import PolicyConfig
    from ifrl_core.policy.job import POOL, PROMPTS, Job
    from ifrl_core.policy.process import train as train_policy
    from ifrl_core.training.job import METRICS

    config = PolicyConfig.model_validate_json(document)
    job = Job(config=config, model=folder / "model", reward_model=None, seed=0, folder=folder)
    pq.write_table(
        pa.Table.from_pylist([prompt(index, config.max_tokens) for index in range(4)], schema=POOL), folder / PROMPTS
    )
    before = int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()
    train_policy(job.write())
    rows = [json.loads(line) for line in (folder / METRICS).read_text().splitlines()]
    print(max(row.get("memory/process_gib", 0.0) for row in rows) - before / _GIB)


def prompt(index: int, tokens: int) -> dict[str, Any]:
    """About as long as it may be. Random text holds an e every other token, more or less: a group's rewards differ."""
    text = f"{index} " + "word " * (_PROMPT_TOKENS - 48)
    asked = [{"letter": "e", "let_relation": "at least", "let_frequency": round(tokens * share)} for share in SHARES]
    constraints = [
        {"type": "keywords:letter_frequency", "kind": "hard", "text": "Use e.", "args": json.dumps(args)}
        for args in asked
    ]
    messages = [{"role": "user", "content": text}]
    return {"prompt": messages, "prompt_id": f"p{index}", "level": 1, "seed": text, "constraints": constraints}


if __name__ == "__main__":
    train(Path(sys.argv[1]), sys.argv[2]) if len(sys.argv) == 3 else main(sys.argv[1])
