"""A group in one row where two processes share out the weights: torch's FSDP2 over gloo, on a CPU.

    python benchmarks/policy_sharded.py MODEL_FOLDER

First both processes compute the same number of groups, then the second one has one group less, as happens where groups are
dropped. What is said: how far log-probabilities and gradients are off those of the whole model, or what failed.
"""

import argparse
import os
from datetime import timedelta
from pathlib import Path

import torch
import torch.distributed as dist
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.multiprocessing.spawn import spawn
from transformers import AutoModelForCausalLM
from trl.trainer.utils import add_fused_lm_head

from ifrl_core.policy.shared_prefix import Group, SharedPrefix

GROUPS = (
    Group((11, 12, 13, 14, 15), {0: [21, 22, 23], 1: [24, 25]}),
    Group((31, 32), {2: [41, 42, 43, 44], 3: [45]}),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    folder = parser.parse_args().model
    for port, of_second in ((29611, len(GROUPS)), (29612, len(GROUPS) - 1)):
        print(f"groups of the two processes: {len(GROUPS)} and {of_second}", flush=True)
        spawn(process, args=(folder, of_second, port), nprocs=2)


def process(rank: int, folder: Path, of_second: int, port: int) -> None:
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    torch.set_num_threads(1)
    dist.init_process_group("gloo", rank=rank, world_size=2, timeout=timedelta(seconds=30))
    whole, shared_out = model_of(folder), model_of(folder)
    mesh = init_device_mesh("cpu", (2,))
    for layer in shared_out.base_model.layers:
        fully_shard(layer, mesh=mesh)
    fully_shard(shared_out, mesh=mesh)
    groups = GROUPS[: of_second if rank else None]
    try:
        ours, theirs = (log_probs(model, groups) for model in (shared_out, whole))
        print(f"  process {rank}: {off(shared_out, whole, ours, theirs)}", flush=True)
    except RuntimeError as error:
        print(f"  process {rank}: {str(error).splitlines()[0].rpartition('] ')[2][:100]}", flush=True)
    os._exit(0)  # the other one may wait for ever


def model_of(folder: Path) -> torch.nn.Module:
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    add_fused_lm_head(model, outputs=("log_probs", "entropy"))
    return model.train()


def log_probs(model: torch.nn.Module, groups: tuple[Group, ...]) -> torch.Tensor:
    """With a backward pass."""
    rows = {row: len(answer) for group in groups for row, answer in group.answers.items()}
    mask = torch.arange(max(rows.values())) < torch.tensor([[rows[row]] for row in sorted(rows)])
    made = SharedPrefix([model])(model, groups, mask).log_probs
    made.sum().backward()
    return made.detach()


def off(shared_out: torch.nn.Module, whole: torch.nn.Module, ours: torch.Tensor, theirs: torch.Tensor) -> str:
    worst = 0.0
    for mine, other in zip(shared_out.parameters(), whole.parameters(), strict=True):
        gradient, expected = mine.grad.full_tensor(), other.grad.clone()
        dist.all_reduce(expected)
        worst = max(worst, float((gradient - expected / 2).norm() / expected.norm()))
    return f"log-probabilities off by {float((ours - theirs).abs().max()):.1e}, gradients by {worst:.1e}"


if __name__ == "__main__":
    main()
