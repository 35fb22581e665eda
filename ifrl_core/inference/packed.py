"""Weights in the layout of the processor's products, made once and not in every product.

That is nearly half of a product of one row, a third at 16 rows, a seventh at 32 (benchmarks/policy.md). The layout is that of
oneDNN, as torch.compile uses it; the arithmetic stays that of bf16, products summed in float32: what differs is rounding.
"""

from collections import defaultdict

import torch
from torch import Tensor, nn

from ifrl_core.models.dtype import computes_in_bfloat16

_ROWS = 32  # which the layout is for; it serves any number


class PackedLinear(nn.Linear):
    """A linear layer for inference, its weight in oneDNN's layout; the attribute `weight` is `shown`, of the same shape."""

    def __init__(self, plain: nn.Linear, shown: nn.Parameter) -> None:
        nn.Module.__init__(self)
        self.in_features, self.out_features = plain.in_features, plain.out_features
        self.weight, self.bias = shown, plain.bias
        self.pack(plain.weight)

    @torch.no_grad()
    def pack(self, weight: Tensor) -> None:
        """Take over this weight, in the layer's number format."""
        plain = weight.detach().to(self.weight.dtype).contiguous()
        self._packed: Tensor = torch.ops.mkldnn._reorder_linear_weight(plain, _ROWS)

    def forward(self, input: Tensor) -> Tensor:
        output: Tensor = torch.ops.mkldnn._linear_pointwise(input, self._packed, self.bias, "none", [], "")
        return output


def pack(model: nn.Module) -> dict[nn.Parameter, list[PackedLinear]]:
    """Pack a model's linear layers in place where a CPU computes in bf16; {weight: its packed layers}.

    The model keeps its parameters and their order. A weight that linear layers alone have becomes a stand-in without memory,
    every number of it NaN: a model that computes with it past its layer is found out.
    """
    if not (torch.backends.mkldnn.is_available() and computes_in_bfloat16("cpu")):
        return {}
    owners: dict[int, list[nn.Module]] = defaultdict(list)  # by id: a weight is freed as soon as it is packed
    for module in model.modules():
        for parameter in module.parameters(recurse=False):
            owners[id(parameter)].append(module)
    packed: dict[nn.Parameter, list[PackedLinear]] = {}
    instead: dict[nn.Module, PackedLinear] = {}
    for number, modules in owners.items():
        layers = [layer for layer in modules if type(layer) is nn.Linear and id(layer.weight) == number]
        if layers and _packable(layers[0].weight):
            weight, *_ = layers[0].parameters(recurse=False)
            shown = weight if len(layers) < len(modules) else _stand_in(weight)
            packed[shown] = [PackedLinear(layer, shown) for layer in layers]
            instead.update(zip(layers, packed[shown], strict=True))
            for layer in layers:
                layer.weight = shown
    for name, module in list(model.named_modules(remove_duplicate=False)):
        if module in instead:
            model.set_submodule(name, instead[module])
    return packed


def _packable(weight: Tensor) -> bool:
    return weight.dtype == torch.bfloat16 and weight.device.type == "cpu"


def _stand_in(weight: nn.Parameter) -> nn.Parameter:
    return nn.Parameter(weight.new_full((1,), torch.nan).expand(weight.shape), requires_grad=False)


def stands_in(weight: nn.Parameter) -> bool:
    """Whether it is a stand-in of `pack`."""
    return weight.numel() > 1 and not any(weight.stride())
