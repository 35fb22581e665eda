"""Attention of training on CUDA: FlexAttention where the mask is one of blocks, which it passes over where nobody sees
anything; transformers' own for all other masks, as in generation."""

from typing import Any

from torch import Tensor, nn
from torch.nn.attention.flex_attention import BlockMask, create_block_mask
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.flex_attention import flex_attention_forward
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

from ifrl_core.models.packing import sees

BLOCKS = "sdpa_or_blocks"


def attention(
    module: nn.Module, query: Tensor, key: Tensor, value: Tensor, attention_mask: Any, **others: Any
) -> tuple[Tensor, Tensor | None]:
    """transformers' attention interface."""
    forward: Any = flex_attention_forward if isinstance(attention_mask, BlockMask) else sdpa_attention_forward
    output, *_ = forward(module, query, key, value, attention_mask, **others)
    return output, None


def block_mask(parts: Tensor, heads: Tensor) -> BlockMask:
    """The mask of packing.mask_of by blocks."""
    rows, length = parts.shape
    compiled = parts.device.type == "cuda"  # without it, the whole square lies in memory for a moment
    rule = sees(parts, heads)
    return create_block_mask(rule, rows, None, length, length, device=parts.device.type, _compile=compiled)


AttentionInterface.register(BLOCKS, attention)
AttentionMaskInterface.register(BLOCKS, sdpa_mask)
