"""What a Llama keeps of its forward pass for the backward one, tensor by tensor (tests/core/plan/test_activations.py).

`number`: bytes of a number in a product. With 2 (bf16), autocast leaves norms in float32 and keeps a copy of its own of each
linear module's input; with 4, modules share their input.
"""

from collections.abc import Collection

from ifrl_core.models.shapes import ModelShape

HEAD_TOKENS, HEAD_VOCABULARY = 4096, 32_768  # of trl's head: a tile of logits at a time
_TORCH_TILE = 30  # bytes a logit where Triton does not fold it: what torch makes of a tile on the way to its gradient


def layer_bytes(shape: ModelShape, number: int, adapted: Collection[str] | None = None) -> int:
    """Of one token in one layer. `adapted`: the linear modules with adapters, all else being frozen; none: all is trained.

    Each of two norms: its input and, where its weight is trained, what it normalises to, in float32. What linear modules
    read. Queries, and keys and values for each head, what attention gives. Gate, the gate's activation, up.
    """
    queries, inputs = shape.heads * shape.head_width, {name: sizes[0] for name, sizes in shape.linears.items()}
    norms = 4 * 2 * shape.hidden * (2 if adapted is None else 1)
    if number == 4:
        linear = 2 * shape.hidden + queries + shape.intermediate
    else:
        linear = sum(size for name, size in inputs.items() if adapted is None or name in adapted)
    apart = queries if adapted is not None and number == 2 else 0  # of the copy that adapters keep
    return norms + number * (linear + 3 * queries + apart + (3 if shape.gated else 2) * shape.intermediate)


def stack_bytes(
    shape: ModelShape,
    tokens: int,
    layers: int,
    number: int,
    *,
    adapted: Collection[str] | None = None,
    recomputed: bool = False,
    stream: int = 4,
) -> float:
    """Of a pass of so many tokens through the layers that keep theirs; with checkpointing, the stream into each layer
    (`stream` bytes a number) and one layer in full."""
    layer = layer_bytes(shape, number, adapted)
    return float(tokens * (stream * shape.hidden * layers + layer if recomputed else layer * layers))


def head_bytes(shape: ModelShape, tokens: int, number: int, *, trained: bool, on_cpu: bool) -> float:
    """Of trl's head at its backward pass, for so many tokens of answers at once: a tile of logits, the gradient of what the
    head reads, and where the head is trained the gradient that is yet to be added to the others."""
    tile = min(tokens, HEAD_TOKENS) * min(shape.vocabulary, HEAD_VOCABULARY) * (_TORCH_TILE if on_cpu else number)
    return float(tile + 4 * tokens * shape.hidden + (4 * shape.embedding_parameters if trained else 0))
