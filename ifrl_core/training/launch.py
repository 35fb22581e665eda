"""Starting the training processes: one on a CPU, one or many on the GPUs of one machine, or of many.

`policy.launch` becomes an accelerate config file beside the job, and `accelerate launch --config_file` starts the
processes. On the CPU several processes go through torchrun (gloo): `accelerate launch --cpu --num_processes 2` starts one.

With several machines the stage runs on the one with NODE_RANK 0 (the default). The others share its work folder and run

    NODE_RANK=1 MASTER_ADDR=host-0 MASTER_PORT=29500 python -m ifrl_core.training.launch FOLDER/job.json

which waits for the job and starts this machine's processes.
"""

import importlib.util
import logging
import os
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import yaml

from ifrl_core.config import LaunchConfig, PolicyConfig, batch_fault
from ifrl_core.errors import ConfigError
from ifrl_core.policy.job import ACCELERATE, JOB, Job
from ifrl_core.reward_model.serve.client import service_url
from ifrl_core.training.child import run_child

log = logging.getLogger(__name__)

# Without these, glibc gives large buffers back to the kernel after every operation, and a CPU step spends a third of its
# time on page faults (benchmarks/policy_step.py).
KEEP_MEMORY = {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": str(2**33)}
_MODULE = "ifrl_core.training.launch"
_TRAIN = ("-m", "ifrl_core.policy.process")
_POLL_S = 1.0
VLLM_URL = "IFRL_VLLM_URL"


@dataclass(frozen=True)
class Shape:
    """What `policy.launch` comes to on a machine."""

    gpu: bool
    per_machine: int
    machines: int
    strategy: Literal["single", "ddp", "fsdp2", "zero3"]

    @property
    def processes(self) -> int:
        return self.per_machine * self.machines


@dataclass(frozen=True)
class Place:
    """This machine among the machines, from the variables that torchrun and its kin use."""

    rank: int
    address: str
    port: str

    @classmethod
    def of_environment(cls, machines: int, environment: Mapping[str, str]) -> "Place":
        """
        Raises:
            ConfigError: naming the variable that several machines need.
        """
        if machines == 1:
            return cls(0, "127.0.0.1", "29500")
        if "MASTER_ADDR" not in environment:
            raise ConfigError(f"policy.launch.machines {machines}: MASTER_ADDR must name the machine of NODE_RANK 0")
        rank = int(environment.get("NODE_RANK", 0))
        if not 0 <= rank < machines:
            raise ConfigError(f"NODE_RANK {rank} is not one of {machines} machines (0 to {machines - 1})")
        return cls(rank, environment["MASTER_ADDR"], environment.get("MASTER_PORT", "29500"))


def run_training(job: Job, **options: Any) -> None:
    """Start this machine's training processes on a written job and wait for their end; options as of `run_child`.

    Raises:
        ConfigError: when this machine cannot run them.
        TrainingError: when they fail.
    """
    shape = check_launch(job.config)
    place = Place.of_environment(shape.machines, os.environ)
    if shape.machines > 1:
        log.info(
            "machine %d of %d; the others run: python -m %s %s", place.rank, shape.machines, _MODULE, job.folder / JOB
        )
    folder = job.folder if place.rank == 0 else job.folder / f"machine-{place.rank}"
    run_child(
        launch_command(job.folder / JOB, shape, place),
        folder=folder,
        what="policy training",
        env=_environment(shape),
        **options,
    )


def check_launch(config: PolicyConfig) -> Shape:
    """What the config comes to on this machine.

    Raises:
        ConfigError: when that is impossible here, with the fix.
    """
    import torch

    shape = resolve(config.launch, torch.cuda.device_count())
    if fault := batch_fault(config.prompts_per_step, config.generations, config.micro_batch, shape.processes):
        raise ConfigError(f"policy: {fault}")
    if config.generation != "transformers":
        _check_vllm(config, shape)
    if config.launch.reward_model == "service":
        service_url()
    if shape.strategy == "zero3" and importlib.util.find_spec("deepspeed") is None:
        raise ConfigError("policy.launch.strategy zero3 needs DeepSpeed: pip install 'ifrl[deepspeed]', or use fsdp2")
    return shape


def resolve(launch: LaunchConfig, gpus: int) -> Shape:
    """`launch` on a machine with so many GPUs.

    Raises:
        ConfigError: when the machine has too few of them.
    """
    gpu = launch.device == "gpu" or (launch.device == "auto" and gpus > 0)
    per_machine = launch.processes_per_machine or (max(1, gpus) if gpu and launch.strategy != "single" else 1)
    if gpu and per_machine > gpus:
        raise ConfigError(
            f"policy.launch wants {per_machine} GPUs on a machine and this one has {gpus}: run the stage on a GPU pool "
            "(execution.pool), or change policy.launch.processes_per_machine or device"
        )
    if launch.sharded and not gpu:
        raise ConfigError(f"policy.launch.strategy {launch.strategy} needs GPUs, and this machine has none: use ddp")
    many = per_machine * launch.machines > 1
    strategy = ("ddp" if many else "single") if launch.strategy == "auto" else launch.strategy
    return Shape(gpu, per_machine, launch.machines, strategy)


def accelerate_config(shape: Shape, *, bf16: bool, offload: bool) -> dict[str, Any]:
    """The accelerate config file; what differs from machine to machine is left to the command line."""
    kinds = {"single": "NO", "ddp": "MULTI_GPU", "fsdp2": "FSDP", "zero3": "DEEPSPEED"}
    return {
        "compute_environment": "LOCAL_MACHINE",
        "distributed_type": kinds[shape.strategy],
        "mixed_precision": "bf16" if bf16 else "no",
        "use_cpu": not shape.gpu,
        "num_machines": shape.machines,
        "num_processes": shape.processes,
        "rdzv_backend": "static",
        "same_network": True,
        **({"fsdp_config": _fsdp(offload)} if shape.strategy == "fsdp2" else {}),
        **({"deepspeed_config": _deepspeed(offload)} if shape.strategy == "zero3" else {}),
    }


def launch_command(job: Path, shape: Shape, place: Place) -> list[str]:
    """The command that starts this machine's processes; the accelerate config lies beside the job."""
    if not shape.gpu and shape.processes > 1:
        return [*(sys.executable, "-m", "torch.distributed.run"), *_torchrun(shape, place), *_TRAIN, str(job)]
    where = ["--machine_rank", str(place.rank), "--main_process_ip", place.address, "--main_process_port", place.port]
    return [
        *(sys.executable, "-m", "accelerate.commands.launch"),
        *("--config_file", str(job.parent / ACCELERATE)),
        *("--num_cpu_threads_per_process", str(_threads(shape))),
        *(where if shape.machines > 1 else []),
        *_TRAIN,
        str(job),
    ]


def write_accelerate_config(config: PolicyConfig, shape: Shape, folder: Path) -> Path:
    path = folder / ACCELERATE
    document = accelerate_config(shape, bf16=config.bf16, offload=config.launch.offload)
    path.write_text(yaml.safe_dump(document, sort_keys=False))
    return path


def _torchrun(shape: Shape, place: Place) -> list[str]:
    if shape.machines == 1:  # any free port
        return ["--standalone", "--nproc_per_node", str(shape.per_machine)]
    return [
        *("--nnodes", str(shape.machines), "--nproc_per_node", str(shape.per_machine)),
        *("--node_rank", str(place.rank), "--master_addr", place.address, "--master_port", place.port),
    ]


def _environment(shape: Shape) -> dict[str, str]:
    found = {"TOKENIZERS_PARALLELISM": "false", "OMP_NUM_THREADS": str(_threads(shape)), **KEEP_MEMORY}
    return found if shape.gpu else {**found, "ACCELERATE_USE_CPU": "1"}


def _fsdp(offload: bool) -> dict[str, Any]:
    return {
        "fsdp_version": 2,
        "fsdp_auto_wrap_policy": "TRANSFORMER_BASED_WRAP",  # the layer classes that the model names
        "fsdp_reshard_after_forward": True,
        "fsdp_offload_params": offload,
        "fsdp_state_dict_type": "SHARDED_STATE_DICT",
        # Every process reads the weights: trl does not send those of the reference model from one to the others.
        "fsdp_cpu_ram_efficient_loading": False,
    }


def _deepspeed(offload: bool) -> dict[str, Any]:
    where = "cpu" if offload else "none"
    return {
        "zero_stage": 3,
        "zero3_init_flag": True,
        "zero3_save_16bit_model": True,
        "offload_optimizer_device": where,
        "offload_param_device": where,
        "deepspeed_multinode_launcher": "standard",
    }


def _check_vllm(config: PolicyConfig, shape: Shape) -> None:
    if not shape.gpu:
        raise ConfigError(
            f"policy.generation {config.generation} needs CUDA, and this machine has no GPU: use transformers here, or run "
            "the stage on a GPU pool (execution.pool)"
        )
    if importlib.util.find_spec("vllm") is None:
        raise ConfigError(f"policy.generation {config.generation} needs vLLM: pip install 'ifrl[vllm]'")
    if config.generation == "vllm_server" and not os.environ.get(VLLM_URL):
        raise ConfigError(
            f"policy.generation vllm_server needs {VLLM_URL} (http://host:8000): a vLLM server started with "
            'VLLM_SERVER_DEV_MODE=1 and --weight-transfer-config \'{"backend":"nccl"}\', on a private network'
        )


def _threads(shape: Shape) -> int:
    """Cores a process: accelerate's default on a CPU is one thread."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, cores // shape.per_machine)


def _join(path: Path) -> None:
    """Another machine's part of a job: wait for it, then run this machine's processes."""
    while not path.exists():
        time.sleep(_POLL_S)
    run_training(Job.read(path))


if __name__ == "__main__":
    _join(Path(sys.argv[1]))
