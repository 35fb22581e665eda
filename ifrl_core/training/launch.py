"""Starting the processes of a training: one on a CPU, one or many on the GPUs of one machine, or of many.

On GPUs `accelerate launch --config_file` starts them, with the launch config as an accelerate config file beside the job.
On a CPU one process is started as it is, with what accelerate would set: its launcher does nothing more, and imports torch
once again. Several go through torchrun (gloo): `accelerate launch --cpu --num_processes 2` starts one.

With several machines the stage runs on the one with NODE_RANK 0 (the default). The others share its work folder and run

    NODE_RANK=1 MASTER_ADDR=host-0 MASTER_PORT=29500 python -m ifrl_core.training.launch FOLDER/job.json

which waits for the job and starts this machine's processes.
"""

import importlib.util
import logging
import os
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import yaml
from pydantic import BaseModel

from ifrl_core.config import ProcessesConfig
from ifrl_core.errors import ConfigError, TrainingError
from ifrl_core.records import Row
from ifrl_core.settings import PROCESSOR
from ifrl_core.training.accelerate_config import accelerate_config
from ifrl_core.training.child import run_child
from ifrl_core.training.job import ACCELERATE, FAILURE, JOB, LAUNCH, read_failure
from ifrl_core.training.shape import Place, Shape, resolve_here

log = logging.getLogger(__name__)

# Without these, glibc gives large buffers back to the kernel after every operation, and a CPU step spends a third of its
# time on page faults (benchmarks/policy_step.py).
KEEP_MEMORY = {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": str(2**33)}
_MODULE = "ifrl_core.training.launch"
_POLL_S = 1.0


class Launch(BaseModel):
    """A training to start: processes of `python -m MODULE FOLDER/job.json`; `what` names it in messages, `key` its config."""

    module: str
    what: str
    key: str
    config: ProcessesConfig
    bf16: bool


def check_here(launch: Launch) -> Shape:
    """What a launch comes to on this machine.

    Raises:
        ConfigError: when that is impossible here, with the fix.
    """
    shape = resolve_here(launch.config, launch.key)
    if shape.strategy == "zero3" and importlib.util.find_spec("deepspeed") is None:
        raise ConfigError(f"{launch.key}.strategy zero3 needs DeepSpeed: pip install 'ifrl[deepspeed]', or use fsdp2")
    return shape


def run_training(folder: Path, launch: Launch, on_row: Callable[[Row], None] = lambda row: None) -> None:
    """Start this machine's processes on the job that lies in `folder`, and wait for their end; `on_row` as of `run_child`.

    Raises:
        ConfigError: when this machine cannot run them.
        TrainingError: when they fail; an error of ours arrives as its type.
    """
    shape = resolve_here(launch.config, launch.key)
    place = Place.of_environment(shape.machines, os.environ, launch.key)
    if shape.machines > 1:
        log.info("machine %d of %d; the others run: python -m %s %s", place.rank, shape.machines, _MODULE, folder / JOB)
    if place.rank == 0:
        (folder / FAILURE).unlink(missing_ok=True)
        write_launch(folder, launch, shape)
    try:
        run_child(
            launch_command(folder / JOB, launch.module, shape, place),
            folder=folder if place.rank == 0 else folder / f"machine-{place.rank}",
            what=launch.what,
            env=environment(shape, os.environ),
            on_row=on_row,
        )
    except TrainingError as error:
        raise read_failure(folder) or error from None


def write_launch(folder: Path, launch: Launch, shape: Shape) -> None:
    """What the machines read; launch.json last, since the others wait for it."""
    document = accelerate_config(shape, bf16=launch.bf16, offload=launch.config.offload)
    (folder / ACCELERATE).write_text(yaml.safe_dump(document, sort_keys=False))
    partial = folder / f".{LAUNCH}"
    partial.write_text(launch.model_dump_json(indent=2) + "\n")
    partial.replace(folder / LAUNCH)


def launch_command(job: Path, module: str, shape: Shape, place: Place) -> list[str]:
    """The command that starts this machine's processes; the accelerate config lies beside the job."""
    train = ["-m", module, str(job)]
    if not shape.gpu:
        torchrun = ["-m", "torch.distributed.run", *_torchrun(shape, place)] if shape.processes > 1 else []
        return [sys.executable, *torchrun, *train]
    where = ["--machine_rank", str(place.rank), "--main_process_ip", place.address, "--main_process_port", place.port]
    return [
        *(sys.executable, "-m", "accelerate.commands.launch"),
        *("--config_file", str(job.parent / ACCELERATE)),
        *("--num_cpu_threads_per_process", str(_threads(shape))),
        *(where if shape.machines > 1 else []),
        *train,
    ]


def environment(shape: Shape, inherited: Mapping[str, str]) -> dict[str, str]:
    """What is set for the processes, on top of the `inherited` environment."""
    processor = {name: inherited.get(name, value) for name, value in PROCESSOR.items()}
    variables = {"TOKENIZERS_PARALLELISM": "false", "OMP_NUM_THREADS": str(_threads(shape)), **KEEP_MEMORY, **processor}
    if shape.per_machine == 1:
        # A process that no launcher told its place wraps its model in nn.DataParallel over all GPUs that it sees, which
        # tears rows from their batch. CUDA ends its list at the first name that is none, so the first entry is the device.
        variables["CUDA_VISIBLE_DEVICES"] = inherited.get("CUDA_VISIBLE_DEVICES", "0").split(",")[0].strip()
    return variables if shape.gpu else {**variables, "ACCELERATE_USE_CPU": "1"}


def _torchrun(shape: Shape, place: Place) -> list[str]:
    if shape.machines == 1:  # any free port
        return ["--standalone", "--nproc_per_node", str(shape.per_machine)]
    return [
        *("--nnodes", str(shape.machines), "--nproc_per_node", str(shape.per_machine)),
        *("--node_rank", str(place.rank), "--master_addr", place.address, "--master_port", place.port),
    ]


def _threads(shape: Shape) -> int:
    """Cores a process: accelerate's default on a CPU is one thread."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, cores // shape.per_machine)


def _join(job: Path) -> None:
    """Another machine's part of a job: wait for it, then run this machine's processes."""
    document = job.with_name(LAUNCH)
    while not document.exists():
        time.sleep(_POLL_S)
    run_training(job.parent, Launch.model_validate_json(document.read_text()))


if __name__ == "__main__":
    _join(Path(sys.argv[1]))
