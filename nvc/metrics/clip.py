"""All measurements of a clip at once, on a fixed sample of its frames, so that figures compare across codecs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field

import torch

from nvc.metrics.backbones import Backbone
from nvc.metrics.errors import NoFaceFound
from nvc.metrics.face_distance import aed, akd, akd_m
from nvc.metrics.faces import FaceAnalyser
from nvc.metrics.fidelity import ms_ssim, psnr, ssim
from nvc.metrics.frames import Frames, as_pair
from nvc.metrics.perceptual import perceptual
from nvc.metrics.temporal import flicker, jitter

PICTURE_STEP = 5
"""Pictures are compared in every fifth frame,"""
FACE_STEP = 10
"""faces in every tenth."""


@dataclass(frozen=True, kw_only=True)
class ClipQuality:
    """What `measure` finds. None where it was not asked for or where the clip shows no face."""

    psnr: float  # dB
    ssim: float
    ms_ssim: float
    flicker: float | None = None  # levels
    sqp: float | None = None  # perceptual distance on the given backbone
    akd: float | None = None  # pixels
    akd_m: float | None = None  # pixels
    aed: float | None = None
    jit: float | None = None  # 1 is the source's own
    lost: float | None = None  # share of faces that a detector no longer finds in the decoded frames
    extra: dict[str, float] = field(default_factory=dict)

    def as_dict(self) -> dict[str, float | None]:
        """The same by name, for JSON."""
        values = asdict(self)
        return values | values.pop("extra")


def measure(
    original: Frames,
    decoded: Frames,
    *,
    backbone: Backbone | None = None,
    analyser: FaceAnalyser | None = None,
    extra: Mapping[str, Callable[[Frames, Frames], float]] | None = None,
) -> ClipQuality:
    """Quality of a decoded clip, uint8 [T, 3, H, W] each, H and W at least 161.

    `backbone` switches on `sqp`, `analyser` the face measurements; `extra` are more measurements of pictures by name.
    """
    first, second = as_pair(original, decoded)
    sample = slice(0, None, PICTURE_STEP)
    faces = _faces(first, second, analyser) if analyser else {}
    return ClipQuality(
        psnr=psnr(first[sample], second[sample]),
        ssim=ssim(first[sample], second[sample]),
        ms_ssim=ms_ssim(first[sample], second[sample]),
        flicker=flicker(first, second) if len(first) > 1 else None,
        sqp=perceptual(first[sample], second[sample], backbone=backbone) if backbone else None,
        extra={name: function(first[sample], second[sample]) for name, function in (extra or {}).items()},
        **faces,
    )


def _faces(first: torch.Tensor, second: torch.Tensor, analyser: FaceAnalyser) -> dict[str, float | None]:
    indices = list(range(0, len(first), FACE_STEP))
    one, other = first[indices], second[indices]
    boxes = analyser.find_all(one)
    seen = [position for position, box in enumerate(boxes) if box is not None]
    if not seen:
        return {}
    again = [analyser.find_all(other[position : position + 1])[0] for position in seen]
    inner = [position for position in seen if 0 < indices[position] < len(first) - 1]
    try:
        steadiness = jitter(
            first,
            second,
            analyser=analyser,
            centres=[indices[position] for position in inner],
            boxes=[boxes[position] for position in inner],
        )
    except NoFaceFound:  # a clip too short for a run of three
        steadiness = None
    return {
        "akd": akd(one, other, analyser=analyser, boxes=boxes),
        "akd_m": akd_m(one, other, analyser=analyser, boxes=boxes),
        "aed": aed(one, other, analyser=analyser, boxes=boxes),
        "jit": steadiness,
        "lost": sum(box is None for box in again) / len(seen),
    }
