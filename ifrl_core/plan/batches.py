"""How the rollouts of a step are shared out over processes and micro-batches."""

from dataclasses import dataclass

from ifrl_core.config import PolicyConfig


@dataclass(frozen=True)
class Batches:
    """How a step's rollouts are shared out: prompts x generations = rollouts = micro_batch x accumulation x processes."""

    prompts: int
    generations: int
    rollouts: int
    micro_batch: int
    accumulation: int
    processes: int
    machines: int
    strategy: str
    processes_known: bool  # False: the recipe leaves it to the machine, and one is reckoned with


def batches_of(policy: PolicyConfig) -> Batches:
    launch = policy.launch
    processes = launch.processes or 1
    auto = "ddp" if processes > 1 else "single"
    return Batches(
        prompts=policy.prompts_per_step,
        generations=policy.generations,
        rollouts=policy.rollouts,
        micro_batch=policy.micro_batch,
        accumulation=policy.rollouts // (policy.micro_batch * processes),
        processes=processes,
        machines=launch.machines,
        strategy=auto if launch.strategy == "auto" else launch.strategy,
        processes_known=launch.processes is not None,
    )
