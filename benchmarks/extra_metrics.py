"""LPIPS, DISTS and VMAF for a run, with weights from files that the user brings."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

from torch import Tensor

from nvc.metrics import dists, lpips, lpips_linear, vmaf
from nvc.metrics.backbones import AlexNet, Backbone, SmoothVgg16, Vgg16, load_tensors
from nvc.metrics.errors import MetricError
from nvc.metrics.frames import Frames

Measure = Callable[[Frames, Frames], float]
NETWORKS: dict[str, Callable[[dict[str, Tensor]], Backbone]] = {"alex": AlexNet, "vgg": Vgg16}


@dataclass(frozen=True, kw_only=True)
class ExtraMetrics:
    """What is measured beside the usual; files are .safetensors or .npz under the published names."""

    lpips: tuple[str, str, str] | None = None  # network (alex, vgg), its weights, LPIPS's linear weights
    dists: tuple[str, str] | None = None  # VGG-16's weights, alpha and beta
    vmaf: bool = False

    def request(self) -> dict[str, str | bool]:
        """What was asked, without paths."""
        asked: dict[str, str | bool] = {}
        if self.lpips:
            asked["lpips"] = self.lpips[0]
        if self.dists:
            asked["dists"] = True
        if self.vmaf:
            asked["vmaf"] = True
        return asked

    def measures(self) -> dict[str, Measure]:
        """By name. Raises `MetricError` for weights that do not fit or a network that is unknown."""
        found: dict[str, Measure] = {}
        if self.lpips:
            found["lpips"] = _lpips(*self.lpips)
        if self.dists:
            found["dists"] = _dists(*self.dists)
        if self.vmaf:
            found["vmaf"] = vmaf
        return found


@lru_cache(maxsize=1)
def _lpips(network: str, weights: str, linear: str) -> Measure:
    if network not in NETWORKS:
        raise MetricError(f"no LPIPS network {network!r}; there are {', '.join(NETWORKS)}")
    backbone = NETWORKS[network](load_tensors(weights))
    scales = lpips_linear(load_tensors(linear), backbone)
    return lambda original, decoded: lpips(original, decoded, backbone=backbone, linear=scales)


@lru_cache(maxsize=1)
def _dists(weights: str, scales: str) -> Measure:
    backbone, tensors = SmoothVgg16(load_tensors(weights)), load_tensors(scales)
    if missing := {"alpha", "beta"} - set(tensors):
        raise MetricError(f"{scales} has no {', '.join(sorted(missing))}")
    return lambda original, decoded: dists(
        original, decoded, backbone=backbone, alpha=tensors["alpha"], beta=tensors["beta"]
    )
