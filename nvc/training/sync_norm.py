"""Batch norm over the batches of all processes, for CPUs: PyTorch's SyncBatchNorm works on GPUs only.

The sums that mean and variance are made of travel through an all-reduce that gradients travel back through, so that
two processes with half a batch each normalise, and learn, as one with the whole batch.
"""

from __future__ import annotations

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.nn.functional import all_reduce


class SyncedBatchNorm(nn.modules.batchnorm._BatchNorm):
    """Batch norm of [B, C, ...] with the statistics of all processes; in evaluation mode as any batch norm."""

    def _check_input_dim(self, input: Tensor) -> None:
        if input.ndim < 3:
            raise ValueError(f"batch norm here takes [B, C, ...] with at least one more axis, not {list(input.shape)}")

    def forward(self, input: Tensor) -> Tensor:
        """As of `torch.nn.BatchNorm2d`."""
        if not self.training or not dist.is_initialized():
            return super().forward(input)
        self._check_input_dim(input)
        x = input.float()
        axes = [0, *range(2, x.ndim)]
        count = torch.full((1,), x.numel() / x.shape[1], device=x.device)
        sums = all_reduce(torch.cat([x.sum(axes), x.square().sum(axes), count]))
        total = sums[-1]
        mean, square = sums[:-1].chunk(2)
        mean = mean / total
        variance = (square / total - mean.square()).clamp(min=0)
        self._remember(mean.detach(), variance.detach() * total.detach() / (total.detach() - 1).clamp(min=1))
        shape = [1, -1, *[1] * (x.ndim - 2)]
        x = (x - mean.view(shape)) * torch.rsqrt(variance + self.eps).view(shape)
        if self.affine:
            x = x * self.weight.view(shape) + self.bias.view(shape)
        return x.to(input.dtype)

    def _remember(self, mean: Tensor, variance: Tensor) -> None:
        if self.running_mean is None or self.running_var is None or self.num_batches_tracked is None:
            return
        self.num_batches_tracked.add_(1)
        share = 1 / float(self.num_batches_tracked) if self.momentum is None else self.momentum
        self.running_mean.lerp_(mean.to(self.running_mean), share)
        self.running_var.lerp_(variance.to(self.running_var), share)


def convert_sync_norms(module: nn.Module) -> int:
    """Replace every batch norm inside a module by a synchronised one, in place; returns how many there were.

    Parameters and buffers stay the same objects under the same names: optimisers and checkpoints need not know.
    """
    replaced = 0
    for parent in list(module.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, nn.BatchNorm2d | nn.BatchNorm3d):
                setattr(parent, name, _synced(child))
                replaced += 1
    return replaced


def _synced(norm: nn.modules.batchnorm._BatchNorm) -> SyncedBatchNorm:
    synced = SyncedBatchNorm(
        norm.num_features, norm.eps, norm.momentum, norm.affine, norm.track_running_stats
    )  # fmt: skip
    synced._parameters, synced._buffers = norm._parameters, norm._buffers
    synced.training = norm.training
    return synced
