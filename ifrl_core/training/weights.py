"""What was trained, whole, whatever the processes shared of it."""

from typing import Any

from torch import Tensor
from transformers import Trainer
from transformers.integrations.deepspeed import unset_hf_deepspeed_config


def whole_weights(trainer: Trainer) -> dict[str, Tensor] | None:
    """The weights by name, gathered where the processes hold parts; None in all processes but the first.

    Every process calls it. From here on the first one loads models whole again, which ZeRO-3 had it load in parts.
    """
    weights: dict[str, Any] = trainer.accelerator.get_state_dict(trainer.model_wrapped)
    if not trainer.is_world_process_zero():
        return None
    unset_hf_deepspeed_config()
    return weights
