"""Whether a model gives the same log-probabilities when the answers of a group share a row: tried on a few tokens."""

import logging
import math
from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedModel

from ifrl_core.policy.adapter import plain_model
from ifrl_core.policy.block_attention import BLOCKS
from ifrl_core.policy.shared_prefix import Group, SharedPrefix

log = logging.getLogger(__name__)

_EXACT, _ROUNDED = 1e-3, 0.1  # nats; what float32 and bf16 may differ by, far below what a wrong mask or position does
_PROMPT, _ANSWERS = (1, 2, 3, 4, 5), ([6, 7, 8, 9], [3, 1, 2])
_WINDOWS = ("sliding_window", "attention_chunk_size")


def attention_window(config: Any) -> float:
    """How far back all layers see, in tokens: a mask of ours would have those with a window see further."""
    text = config.get_text_config()
    return min((float(window) for name in _WINDOWS if (window := getattr(text, name, None))), default=math.inf)


def open_sharing(trainer: Any, models: list[PreTrainedModel]) -> SharedPrefix | None:
    """For the policy of a GRPOTrainer, and its reference model if any; None where it must be trl's way: the log says why."""
    blocks = trainer.accelerator.device.type == "cuda"
    before = [plain_model(model).config._attn_implementation for model in models]
    sharing = SharedPrefix(models, blocks=blocks)
    reason = _of_trainer(trainer) or next((fault for model in models if (fault := _of_model(model, sharing))), None)
    if reason is None:
        return sharing
    sharing.close()
    for model, attention in zip(models, before, strict=True) if blocks else ():
        plain_model(model).set_attn_implementation(attention)
    log.warning("prompts go through the policy once an answer, not once a group: %s", reason)
    return None


def _of_trainer(trainer: Any) -> str | None:
    if trainer.is_fsdp_enabled or trainer.is_deepspeed_enabled:
        return "the processes share out the weights (policy.launch.strategy), and must all make the same passes"
    if trainer.aux_loss_enabled:
        return "the loss that balances a mixture of experts is of whole rows (policy.grpo.router_aux_loss_coef)"
    return None


def _of_model(model: PreTrainedModel, sharing: SharedPrefix) -> str | None:
    name = type(plain_model(model)).__name__
    exact = all(weight.dtype == torch.float32 for weight in model.parameters()) and not sharing.blocks
    training = model.training
    try:
        gap = _gap_of_blocks(model.eval(), sharing) if sharing.blocks else _gap(model.eval(), sharing)
    except (RuntimeError, TypeError, ValueError, IndexError, AttributeError, OSError) as error:
        first = (str(error).splitlines() or [type(error).__name__])[0]
        return f"{name} takes no rows with a mask and positions of their own ({first})"
    finally:
        model.train(training)
    return None if gap < (_EXACT if exact else _ROUNDED) else f"{name} would be off by {gap:.2g} nats a token"


def _gap_of_blocks(model: PreTrainedModel, sharing: SharedPrefix) -> float:
    """The same in bf16, as CUDA trains, and with a backward pass, which is a kernel of its own."""
    plain_model(model).set_attn_implementation(BLOCKS)
    with torch.autocast("cuda", torch.bfloat16), torch.enable_grad():
        mask = torch.ones(len(_ANSWERS), 3, dtype=torch.bool, device=next(model.parameters()).device)
        group = Group(_PROMPT, {row: answer[:3] for row, answer in enumerate(_ANSWERS)})
        if any(weight.requires_grad for weight in model.parameters()):
            sharing(model, [group], mask).log_probs.sum().backward()
            model.zero_grad(set_to_none=True)
        return _gap(model, sharing)


@torch.no_grad()
def _gap(model: PreTrainedModel, sharing: SharedPrefix) -> float:
    """The largest difference of a log-probability, in nats, between answers in one row and each by itself."""
    device = next(model.parameters()).device
    lengths = torch.tensor([[len(answer)] for answer in _ANSWERS], device=device)
    mask = torch.arange(max(map(len, _ANSWERS)), device=device) < lengths
    together = sharing(model, [Group(_PROMPT, dict(enumerate(_ANSWERS)))], mask).log_probs
    alone = [_log_probs(model, answer, device) for answer in _ANSWERS]
    return float((together[mask] - torch.cat(alone)).abs().max())


def _log_probs(model: PreTrainedModel, answer: list[int], device: torch.device) -> Tensor:
    ids = torch.tensor([[*_PROMPT, *answer]], device=device)
    labels = ids.clone()
    labels[:, : len(_PROMPT)] = -100
    found: Tensor = model(input_ids=ids, labels=labels, fused_lm_head=True).log_probs[0, -len(answer) :]
    return found
