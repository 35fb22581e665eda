"""What a launch config comes to on this machine: how many processes, on what, and which machine of how many this is."""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from typing import Literal

from ifrl_core.config import ProcessesConfig
from ifrl_core.errors import ConfigError


@dataclass(frozen=True)
class Shape:
    """The processes of a training."""

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
    def of_environment(cls, machines: int, environment: Mapping[str, str], key: str) -> "Place":
        """`key`: of the launch config, for messages.

        Raises:
            ConfigError: naming the variable that several machines need.
        """
        if machines == 1:
            return cls(0, "127.0.0.1", "29500")
        if "MASTER_ADDR" not in environment:
            raise ConfigError(f"{key}.machines {machines}: MASTER_ADDR must name the machine of NODE_RANK 0")
        rank = int(environment.get("NODE_RANK", 0))
        if not 0 <= rank < machines:
            raise ConfigError(f"NODE_RANK {rank} is not one of {machines} machines (0 to {machines - 1})")
        return cls(rank, environment["MASTER_ADDR"], environment.get("MASTER_PORT", "29500"))


def resolve(launch: ProcessesConfig, gpus: int, key: str) -> Shape:
    """`launch` on a machine with so many GPUs; `key`: where it stands in the recipe, for messages.

    Raises:
        ConfigError: when the machine has too few of them.
    """
    gpu = launch.device == "gpu" or (launch.device == "auto" and gpus > 0)
    per_machine = launch.processes_per_machine or (max(1, gpus) if gpu and launch.strategy != "single" else 1)
    if gpu and per_machine > gpus:
        raise ConfigError(
            f"{key} wants {per_machine} GPUs on a machine and this one has {gpus}: run the stage on a GPU pool "
            f"(execution.pool), or change {key}.processes_per_machine or device"
        )
    if launch.sharded and not gpu:
        raise ConfigError(f"{key}.strategy {launch.strategy} needs GPUs, and this machine has none: use ddp")
    many = per_machine * launch.machines > 1
    strategy = ("ddp" if many else "single") if launch.strategy == "auto" else launch.strategy
    return Shape(gpu, per_machine, launch.machines, strategy)


def resolve_here(launch: ProcessesConfig, key: str) -> Shape:
    """`launch` on this machine.

    Raises:
        ConfigError: when it has too few GPUs.
    """
    if version("torch").endswith("+cpu"):  # it takes seconds to import
        return resolve(launch, 0, key)
    import torch

    return resolve(launch, torch.cuda.device_count(), key)
