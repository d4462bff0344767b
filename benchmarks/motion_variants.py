"""What else was tried in motion coding, and what each gave; part of :mod:`benchmarks.motion_coding`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from benchmarks.motion_coders import CODERS, ideal_bytes
from benchmarks.motion_coding import (
    GROUPS,
    SINGLE,
    Integers,
    Mode,
    OutOfReach,
    at_error,
    choose,
    code_clip,
    make_key,
    mean,
)
from benchmarks.motion_labels import LabelledClip

Load = Callable[[int, int | None], list[LabelledClip]]
FRAMES = 120  # of each clip: enough to compare, in a quarter of the time

_FRAME_BY_FRAME = replace(GROUPS, look_ahead=0, guess=0.013)
ENCODERS = {
    "groups, as they are": GROUPS,
    "groups, decided frame by frame without looking ahead": _FRAME_BY_FRAME,
    "groups, looking 3 frames ahead": replace(GROUPS, look_ahead=3),
    "groups, every step taken as equally bad": replace(GROUPS, exact_sensitivity=False, guess=0.3),
    "groups, 16 expression coefficients": replace(GROUPS, expression_count=16, guess=0.018),
    "groups, 32 expression coefficients": replace(GROUPS, expression_count=32),
    "groups, steps finer by a quarter octave": replace(GROUPS, pose_quantiser=23, expression_quantiser=21),
    "groups, steps coarser by a quarter octave": replace(GROUPS, pose_quantiser=25, expression_quantiser=23),
    "groups, motion smoothed by 1 2 1 before": replace(GROUPS, smoothing=0.25),
    "groups, motion smoothed by 1 6 1 before": replace(GROUPS, smoothing=0.125),
    "single frames, 3 frames of delay, as they are": SINGLE,
    "single frames, 3 frames of delay, bits instead of whole bytes": replace(SINGLE, whole_bytes=False, guess=0.037),
    "single frames, 1 frame of delay": replace(SINGLE, look_ahead=1, guess=0.025),
    "single frames, 6 frames of delay": replace(SINGLE, look_ahead=6, guess=0.05),
    "single frames, 3 frames of delay, steps finer by a quarter octave": replace(
        SINGLE, pose_quantiser=23, expression_quantiser=21, guess=0.03
    ),
}
_ROUNDED = "groups, plain rounding"
_ROUNDED_SMOOTH = "groups, plain rounding of motion smoothed by 1 2 1"


def measure_variants(load: Load, error: float, *, known: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Rows of name and bytes a frame, at the same error or, for coders, of the same integers; ``known``: not again."""
    for name, smoothing in ((_ROUNDED, 0.0), (_ROUNDED_SMOOTH, 0.25)):
        if name not in known:
            yield {"name": name, **_rounding(load(GROUPS.expression_count, FRAMES), error, smoothing)}
    for name, mode in ENCODERS.items():
        if name not in known:
            yield {"name": name, **_encoder(load(mode.expression_count, FRAMES), mode, error)}
    yield from _coders(load(GROUPS.expression_count, FRAMES), known)


def _encoder(clips: Sequence[LabelledClip], mode: Mode, error: float) -> dict[str, Any]:
    try:
        lagrangian, chosen = at_error(clips, mode, error)
    except OutOfReach as reason:
        return {"frames_of_each_clip": FRAMES, "bytes_per_frame": None, "why": str(reason)}
    coded = [code_clip(clip, mode, some) for clip, some in zip(clips, chosen, strict=True)]
    return {
        "frames_of_each_clip": FRAMES,
        "lagrangian": round(lagrangian, 6),
        "error": round(mean(coded, lambda clip: clip.error), 4),
        "bytes_per_frame": round(mean(coded, lambda clip: clip.bytes_per_frame), 4),
    }


def _rounding(clips: Sequence[LabelledClip], error: float, smoothing: float) -> dict[str, Any]:
    """Plain rounding: bytes interpolated between the steps that give more and less error."""
    points = []
    for coarser in (-2, -1, 0, 1, 2):
        pose, expression = 23 + coarser, 22 + coarser
        mode = replace(GROUPS, pose_quantiser=pose, expression_quantiser=expression, smoothing=smoothing)
        coded = [code_clip(clip, mode, choose(clip, mode, 0.0)) for clip in clips]
        points.append((mean(coded, lambda clip: clip.error), mean(coded, lambda clip: clip.bytes_per_frame)))
    errors, sizes = np.array(points).T
    size = float(np.exp(np.interp(error, errors, np.log(sizes))))
    return {
        "frames_of_each_clip": FRAMES,
        "points": np.round(points, 4).tolist(),
        "bytes_per_frame": round(size, 4),
    }


def _coders(clips: Sequence[LabelledClip], known: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Ideal payload bytes a frame of the same integers with other coders.

    Integers chosen by rate and distortion fit the coder that they were chosen for; so all are tried on plainly rounded
    ones as well.
    """
    rounded = replace(GROUPS, name="plain rounding", pose_quantiser=24, expression_quantiser=23)
    for mode, lagrangian in (
        (GROUPS, GROUPS.guess),
        (replace(SINGLE, whole_bytes=False), GROUPS.guess),
        (rounded, 0.0),
    ):
        names = {name: f"{name}: ideal payload, integers of {mode.name}" for name in CODERS}
        if all(name in known for name in names.values()):
            continue
        chosen = [_integers(clip, mode, lagrangian) for clip in clips]
        for name, make in CODERS.items():
            if names[name] not in known:
                sizes = [ideal_bytes(mode.sequence(), key, frames, make) for key, frames in chosen]
                yield {
                    "name": names[name],
                    "frames_of_each_clip": FRAMES,
                    "bytes_per_frame": round(float(np.mean(sizes)), 4),
                }


def _integers(clip: LabelledClip, mode: Mode, lagrangian: float) -> tuple[tuple[int, ...], Integers]:
    key, _ = make_key(clip, mode.sequence())
    return key.values, choose(clip, mode, lagrangian).frames
