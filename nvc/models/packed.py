"""Convolutions for one core in a hurry: weights laid out once, bias, ReLU and an addition done in the same pass.

PyTorch packs the weights of a convolution anew in every call and runs what follows it as passes of their own. The
operators that its compiler uses on x86 do neither. Where they are missing (another processor, another PyTorch) the
same sums are done by ordinary calls.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def has_fused_convolutions() -> bool:
    """Whether this PyTorch has the fused operators."""
    return torch.backends.mkldnn.is_available() and hasattr(torch.ops.mkldnn, "_convolution_pointwise")


def has_fast_bfloat16() -> bool:
    """Whether this processor multiplies in bfloat16; emulated it would be slower than float32."""
    asked = (getattr(torch.cpu, name, None) for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported"))
    return has_fused_convolutions() and any(ask is not None and ask() for ask in asked)


class PackedConv:
    """A convolution [1, C, H, W], channels last, with what follows it. Input sizes must not change between calls."""

    def __init__(self, conv: nn.Conv2d, *, relu: bool = False, dtype: torch.dtype = torch.float32) -> None:
        """Take the weights of ``conv``; the result is computed, and given, in ``dtype``."""
        self.dtype = dtype
        self._relu = relu
        self._geometry = ([*conv.padding], [*conv.stride], [*conv.dilation], conv.groups)
        self._weight = conv.weight.detach().to(dtype).contiguous(memory_format=torch.channels_last)
        bias = torch.zeros(conv.out_channels) if conv.bias is None else conv.bias.detach()
        self._bias = bias.to(dtype)
        self._packed: Tensor | None = None

    def __call__(self, x: Tensor, add: Tensor | None = None) -> Tensor:
        """The convolution of ``x``, plus ``add``, through the ReLU."""
        x = x.to(self.dtype)
        if not has_fused_convolutions():
            return self._plainly(x, add)
        if self._packed is None:
            self._pack(list(x.shape))
        after = "relu" if self._relu else None
        if add is None:
            run: Any = torch.ops.mkldnn._convolution_pointwise
            return run(x, self._packed, self._bias, *self._geometry, after or "none", [], "")
        run = torch.ops.mkldnn._convolution_pointwise.binary
        return run(x, add, self._packed, self._bias, *self._geometry, "add", 1.0, after, [], "")

    def _pack(self, size: list[int]) -> None:
        reorder: Any = torch._C._nn.mkldnn_reorder_conv2d_weight
        self._packed = reorder(self._weight.to_mkldnn(), *self._geometry, size)

    def _plainly(self, x: Tensor, add: Tensor | None) -> Tensor:
        padding, stride, dilation, groups = self._geometry
        y = F.conv2d(x, self._weight, self._bias, stride, padding, dilation, groups)
        if add is not None:
            y = y + add
        return y.relu_() if self._relu else y


def packed_block(block: nn.Module, dtype: torch.dtype) -> PackedConv:
    """A `conv_block` whose batch norm has been folded. Raises ValueError for anything else."""
    convolution = next(iter(block.children()), None)
    if not isinstance(convolution, nn.Conv2d) or any(isinstance(m, nn.BatchNorm2d) for m in block.modules()):
        raise ValueError("not a convolution with its batch norm folded and a ReLU")
    return PackedConv(convolution, relu=True, dtype=dtype)


class SplitConv:
    """A convolution of maps that would have to be put side by side first: a sum over the maps does without."""

    def __init__(self, block: nn.Module, inputs: tuple[int, ...], *, dtype: torch.dtype = torch.float32) -> None:
        """``block`` is a folded `conv_block`; ``inputs`` are the channels of each map, in the order of its weights.

        Raises:
            ValueError: the maps have not as many channels as the convolution takes.
        """
        whole = next(iter(block.children()), None)
        if not isinstance(whole, nn.Conv2d) or whole.in_channels != sum(inputs):
            raise ValueError(f"not a convolution of {sum(inputs)} channels")
        self._parts = []
        for index, weight in enumerate(whole.weight.detach().split(inputs, dim=1)):
            part = nn.Conv2d(weight.shape[1], whole.out_channels, whole.kernel_size, whole.stride, whole.padding)  # type: ignore[arg-type]
            part.weight.data = weight
            last = index == len(inputs) - 1
            part.bias = nn.Parameter(whole.bias.detach()) if last and whole.bias is not None else None
            self._parts.append(PackedConv(part.requires_grad_(False), relu=last, dtype=dtype))

    def __call__(self, *maps: Tensor) -> Tensor:
        """The convolution of the maps [1, C, H, W] together, through the ReLU."""
        total: Tensor | None = None
        for part, x in zip(self._parts, maps, strict=True):
            total = part(x, total)
        if total is None:
            raise ValueError("nothing to convolve")
        return total


class _DirectConv3d(nn.Conv3d):
    """A 3-D convolution of zero padding that is always computed by oneDNN on a CPU; as a parameter it is the same."""

    def forward(self, x: Tensor) -> Tensor:
        """As of `nn.Conv3d`."""
        plain = x.device.type != "cpu" or x.dtype is not torch.float32 or torch.is_grad_enabled()
        if plain or torch.jit.is_tracing() or not torch.backends.mkldnn.is_available():
            return super().forward(x)
        padding, stride, dilation = ([*value] for value in (self.padding, self.stride, self.dilation))
        return torch.mkldnn_convolution(x, self.weight, self.bias, padding, stride, dilation, self.groups)


def direct_volumes(model: nn.Module) -> None:
    """Make small 3-D convolutions of a model for inference fast, in place.

    PyTorch computes them by a matrix of all patches, sixteen times as slow, and goes to oneDNN for large ones only.
    """
    for module in model.modules():
        if type(module) is nn.Conv3d and module.padding_mode == "zeros" and not isinstance(module.padding, str):
            module.__class__ = _DirectConv3d
