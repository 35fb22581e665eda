"""Attention of one query token, its heads grouped by the key head they share."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers.integrations.sdpa_attention import sdpa_attention_forward

from ifrl_core.inference.attention import grouped_decode


@given(
    batch=st.integers(1, 4),
    key_heads=st.integers(1, 3),
    groups=st.integers(1, 4),
    width=st.integers(1, 9),
    length=st.integers(1, 3),
    seed=st.integers(0, 9),
)
@settings(max_examples=60, deadline=None)
def test_grouped_decoding_is_attention(
    batch: int, key_heads: int, groups: int, width: int, length: int, seed: int
) -> None:
    source = torch.Generator().manual_seed(seed)
    query = torch.randn(batch, key_heads * groups, length, 8, generator=source)
    key, value = torch.randn(2, batch, key_heads, width, 8, generator=source)
    mask = torch.rand(batch, 1, length, width, generator=source) < 0.7
    mask[..., -1] = True
    module = torch.nn.Module()
    module.num_key_value_groups = groups
    ours, _ = grouped_decode(module, query, key, value, mask, scaling=0.3)
    theirs, _ = sdpa_attention_forward(module, query, key, value, mask, scaling=0.3)
    torch.testing.assert_close(ours, theirs)
