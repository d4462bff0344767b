"""Batch norm folds into the convolution before it: at inference a model costs its convolutions only."""

from __future__ import annotations

from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

_CONVOLUTIONS = (nn.Conv2d, nn.Conv3d)
_NORMS = (nn.BatchNorm2d, nn.BatchNorm3d)


def fold_batch_norm(model: nn.Module) -> int:
    """Fold every batch norm of a model in evaluation mode into the convolution before it, in place.

    A norm follows its convolution in the order in which a module's children are declared: in a sequence, or as
    ``first, norm, second, norm2`` of a residual block.

    Returns:
        How many were folded.

    Raises:
        ValueError: the model is in training mode, where a norm depends on the batch and cannot be folded.
    """
    folded = 0
    for module in model.modules():
        names = [name for name, _ in module.named_children()]
        for name, after in zip(names, names[1:], strict=False):
            convolution, norm = getattr(module, name), getattr(module, after)
            if not isinstance(convolution, _CONVOLUTIONS) or not isinstance(norm, _NORMS):
                continue
            if norm.training:
                raise ValueError("batch norm folds in evaluation mode only: call model.eval() first")
            setattr(module, name, fuse_conv_bn_eval(convolution, norm))
            setattr(module, after, nn.Identity())
            folded += 1
    return folded


def is_folded(model: nn.Module) -> bool:
    """Whether a model has no batch norm left."""
    return not any(isinstance(module, _NORMS) for module in model.modules())
