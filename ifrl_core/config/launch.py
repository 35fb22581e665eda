"""How the processes of a training are started, as every section with a training has it under `launch`."""

from typing import Literal, Self

from pydantic import Field, model_validator

from ifrl_core.config.base import StageConfig


class ProcessesConfig(StageConfig):
    """How the training processes are started: it changes nothing of what they make but the last digits."""

    device: Literal["auto", "cpu", "gpu"] = Field("auto", description="auto: GPUs where there are some, else the CPU")
    processes_per_machine: int | None = Field(
        None, ge=1, description="Training processes of a machine; none: one a GPU, one in all on the CPU"
    )
    machines: int = Field(
        1, ge=1, description="Machines; with several, NODE_RANK, MASTER_ADDR and MASTER_PORT come from the environment"
    )
    strategy: Literal["auto", "single", "ddp", "fsdp2", "zero3"] = Field(
        "auto",
        description="ddp: every process holds all weights; fsdp2, zero3 (DeepSpeed): each holds a part; auto: single or ddp",
    )
    offload: bool = Field(False, description="For fsdp2 and zero3: keep weights and optimizer in the CPU's memory")

    @property
    def sharded(self) -> bool:
        return self.strategy in ("fsdp2", "zero3")

    @property
    def processes(self) -> int | None:
        """All processes, where the recipe says how many."""
        return self.processes_per_machine * self.machines if self.processes_per_machine else None

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if self.machines > 1 and self.processes_per_machine is None:
            raise ValueError(f"{self.machines} machines need processes_per_machine")
        if self.strategy == "single" and (self.processes or 1) > 1:
            raise ValueError(f"strategy single is one process, not {self.processes}: use ddp, fsdp2 or zero3")
        if self.device == "cpu" and self.sharded:
            raise ValueError(f"strategy {self.strategy} needs GPUs: use ddp on the CPU")
        if self.offload and not self.sharded:
            raise ValueError("offload needs strategy fsdp2 or zero3")
        return self
