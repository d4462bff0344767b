"""A video's motion, mended segment by segment: what lies between the plan of a file and the refiner."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

import numpy as np
import torch

from bitstream import dequantise, quantise
from bitstream.tables import STEP_UNIT, STEPS
from nvc import colour, keyframe
from nvc.analysis import FramePlan
from nvc.colour import Rgb
from nvc.key_input import KeyInput
from nvc.key_size import coded_size
from nvc.models.interface import CodecModel
from nvc.picture_coder import Preset
from nvc.rate import CodingPoint
from nvc.refinement import Effort, MotionRefiner, Vector

EFFORTS = {
    Preset.FAST: None,
    Preset.MEDIUM: Effort(spacing=8, iterations=5),
    Preset.SLOW: Effort(spacing=4, iterations=8),
}
"""How hard each preset looks. The points of `nvc-bench rd` take presets: ``--rates q5-fast,q5-slow`` compares them."""


def mend(
    plans: Sequence[FramePlan],
    pictures: Iterable[Rgb],
    *,
    model: CodecModel,
    device: torch.device,
    effort: Effort,
    point: CodingPoint,
    changes: Sequence[KeyInput],
    coded: Callable[[KeyInput], bytes],
    progress: Callable[[int], None] = lambda done: None,
) -> list[FramePlan]:
    """The plans with corrected motion.

    Args:
        plans: of consecutive frames.
        pictures: of the same frames, uint8 ``[S, S, 3]``.
        model, device: what draws.
        effort: how hard to look.
        point: how keypoints and motion are quantised.
        changes: where frames begin to be drawn from another key picture, the first one at the first frame.
        coded: a key picture as it is sent.
        progress: told of every frame.
    """
    refiner = MotionRefiner(model, device=device, effort=effort)
    mean = model.mean_keypoints.float().cpu().numpy()
    starts = {key.index: key for key in changes}
    mended: list[FramePlan] = []
    segment: list[FramePlan] = []

    def close() -> None:
        correction = refiner.finish()
        for plan in segment:
            moved = None if plan.motion is None else plan.motion + correction.at(plan.index)
            mended.append(replace(plan, motion=moved))
        segment.clear()

    for plan, picture in zip(plans, pictures, strict=True):
        progress(plan.index)
        key = starts.get(plan.index)
        if key is not None:
            close()
            seen = _as_seen(coded(key), side=len(key.picture))
            refiner.start(seen, _as_sent(key.canonical, mean, point.canonical_quantiser), key.motion)
        if key is not None and key.shown:
            mended.append(plan)
            continue
        segment.append(plan)
        if plan.motion is not None:
            refiner.push(plan.index, picture, plan.motion)
    close()
    return mended


def _as_seen(data: bytes, *, side: int) -> Rgb:
    """A coded key picture as the receiver draws from it."""
    width, height = coded_size(data) or (side, side)
    return colour.resize_rgb(keyframe.decode_picture(data, width=width, height=height), width=side, height=side)


def _as_sent(canonical: Vector, mean: Vector, quantiser: int) -> Vector:
    step = STEPS[quantiser] * STEP_UNIT
    return (mean + dequantise(quantise(canonical - mean, step), step)).astype(np.float32)
