"""The section of the reward model."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from ifrl_core.config.base import StageConfig
from ifrl_core.config.launch import ProcessesConfig
from ifrl_core.identity.fields import How, used


class OneProcessConfig(ProcessesConfig):
    """How the training processes of the reward model are started: one, unless the recipe says otherwise."""

    strategy: Literal["auto", "single", "ddp", "fsdp2", "zero3"] = Field(
        "single", description="As of policy.launch; all but single share a step out among processes"
    )


def shares_fault(batch_size: int, micro_batch: int, processes: int) -> str | None:
    """Why a step of `batch_size` responses cannot be shared out among the processes in micro-batches, and the fix."""
    if batch_size % (micro_batch * processes) == 0:
        return None
    if processes == 1:
        return f"micro_batch {micro_batch} does not divide batch_size {batch_size}"
    unit = micro_batch * processes
    return (
        f"batch_size {batch_size} cannot be shared out among {processes} processes in micro-batches of {micro_batch}; use a "
        f"batch_size that is a multiple of {unit}, such as {-(-batch_size // unit) * unit}, or a smaller micro_batch"
    )


class RewardModelConfig(StageConfig):
    """Training of the constraint-wise binary classifier."""

    learning_rate: float = Field(4e-5, gt=0, description="Peak learning rate (AdamW, linear decay after warm-up)")
    epochs: int = Field(1, ge=1, description="Passes over the training pairs")
    batch_size: int = Field(
        16, ge=1, description="Responses per optimizer step; each brings its constraints, often two"
    )
    micro_batch: How[int] = Field(4, ge=1, description="Responses per forward and backward pass; divides batch_size")
    warmup_share: float = Field(0.1, ge=0, lt=1, description="Share of the steps with rising learning rate")
    layers: int | None = Field(None, ge=1, description="Use only the lowest layers of the backbone; none: all of them")
    max_tokens: int = Field(2560, ge=32, description="Longest input (response and constraint), in tokens")
    max_pairs: int = Field(
        100_000, ge=8, description="At most about this many training pairs (whole responses, by hash)"
    )
    noise: Literal["ignore", "posterior", "rates", "unlabelled"] = Field(
        "ignore",
        description="ignore: labels as they are (the paper); posterior: a label counts as the share of its type's labels "
        "that the audit of the training labels found right; rates: loss corrected by those rates; unlabelled: positives as "
        "unlabelled (PU learning)",
    )
    calibrate: bool = Field(
        True, description="Scale logits so that probabilities match the rules on hard validation pairs (Platt)"
    )
    lora: int | None = Field(
        None,
        ge=1,
        description="Rank of LoRA adapters on all linear layers, merged after training; the head trains whole. It wants a "
        "higher learning_rate, 1e-4 to 1e-3. None: all weights",
    )
    early_stopping: int | None = Field(
        None,
        ge=1,
        description="Stop after this many evaluations (one every save_steps) without a lower loss on validation "
        "labels, and keep the best weights; none: the last weights",
    )
    baselines: bool = Field(
        True,
        description="Also score hard validation pairs by length and by the backbone asked yes or no, to compare with",
    )
    save_steps: Annotated[int, used(lambda section: section.early_stopping is not None)] = Field(
        100, ge=1, description="Steps between checkpoints; a kill costs at most this many"
    )
    bf16: bool = Field(True, description="bf16 autocast over float32 weights")
    gradient_checkpointing: How[bool] = Field(False, description="Recompute activations: less memory, more time")
    launch: How[OneProcessConfig] = OneProcessConfig()

    @model_validator(mode="after")
    def _divisible(self) -> Self:
        if fault := shares_fault(self.batch_size, self.micro_batch, self.launch.processes or 1):
            raise ValueError(fault)
        return self

    @model_validator(mode="after")
    def _by_one_process(self) -> Self:
        """Early stopping compares losses that one process measures."""
        if self.early_stopping is not None and self.launch.strategy != "single":
            raise ValueError(
                f"early_stopping is done by one process, and launch.strategy is {self.launch.strategy}: use single, or leave "
                "early_stopping out"
            )
        return self
