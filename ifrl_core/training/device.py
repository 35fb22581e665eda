"""What a training process computes on."""

import os

import torch

from ifrl_core.config import ProcessesConfig


def takes_cpu(launch: ProcessesConfig) -> bool:
    """Whether this process trains on the CPU; else it takes its own of the machine's GPUs."""
    if launch.device == "cpu" or not torch.cuda.is_available():
        return True
    torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", 0)))
    return False
