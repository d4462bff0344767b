"""A short clip of a talking head, made by warping one public-domain portrait.

The portrait is NASA's photograph of the astronaut Eileen Collins, which scikit-image carries in its wheel
(``skimage.data.astronaut``), so nothing is downloaded and no face is committed to this repository. The head is a
smooth bump of depth that is turned in three dimensions; eyelids, lips and jaw move in the portrait's own plane.
Everything is a function of time alone: the same arguments give the same pixels.

All geometry is in pixels of the 512 x 512 portrait, x right, y down, depth positive away from the camera.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as functional

from nvc.pose import euler_to_matrix

Field = np.ndarray
"""A float64 array [H, W] of one coordinate of every pixel."""

PORTRAIT_SIDE = 512
_CROP_LEFT, _CROP_TOP, _CROP_SIDE = 122.0, 8.0, 208.0
_HEAD_X, _HEAD_Y, _HEAD_HALF_WIDTH, _HEAD_HALF_HEIGHT = 226.0, 102.0, 78.0, 92.0
_PIVOT_Y = 140.0  # the neck joint: a nod turns about it, not about the middle of the face
_HEAD_DEPTH = 72.0
_CHIN_Y, _COLLAR_Y = 176.0, 214.0
_EYES = ((203.3, 102.0, 10.5), (247.5, 104.5, 12.0))  # x and y of the middle, half the width
_EYE_RISE, _EYE_FALL, _LID_HEIGHT = 4.2, 2.8, 5.0
_MOUTH_X, _MOUTH_HALF_WIDTH, _MOUTH_CORNER_Y, _TEETH_EDGE_Y = 223.5, 20.5, 140.3, 149.6
_MOUTH_INSIDE, _TONGUE = np.array([42.0, 15.0, 15.0]), np.array([142.0, 66.0, 66.0])  # RGB
_BLINKS = (1.1, 2.9, 3.25, 5.2, 7.0)  # seconds; two in quick succession, as people do


class DemoUnavailable(ValueError):
    """The portrait cannot be had because scikit-image is not installed."""


@dataclass(frozen=True, kw_only=True)
class Gesture:
    """What the head does at one moment."""

    yaw: float = 0.0  # radians, about the vertical axis
    pitch: float = 0.0  # radians, about the axis through the ears
    roll: float = 0.0  # radians, in the picture plane
    sway: tuple[float, float] = (0.0, 0.0)  # portrait pixels, right and down
    blink: float = 0.0  # 0 open .. 1 shut
    jaw: float = 0.0  # portrait pixels that the lower lip sinks; negative closes the smile
    brow: float = 0.0  # portrait pixels that the brows rise


def gesture_at(seconds: float) -> Gesture:
    """The performance: a look to both sides, a nod, blinks, and phrases spoken at about four syllables a second."""
    t = seconds
    syllables = 0.5 - 0.5 * math.cos(2 * math.pi * (3.9 * t + 0.35 * math.sin(2 * math.pi * 0.8 * t)))
    stress = 0.65 + 0.35 * math.sin(2 * math.pi * 0.63 * t + 0.4)
    speaking = _smoothstep_scalar((math.sin(2 * math.pi * t / 3.1 - 0.5) + 0.8) / 0.5)
    nod = math.exp(-(((t - 4.4) / 0.35) ** 2)) - 0.6 * math.exp(-(((t - 5.0) / 0.35) ** 2))
    return Gesture(
        yaw=math.radians(15.0) * math.sin(2 * math.pi * t / 5.7) + math.radians(2.0) * math.sin(2 * math.pi * t / 1.9),
        pitch=math.radians(3.0) * math.sin(2 * math.pi * t / 3.3) + math.radians(9.0) * nod,
        roll=math.radians(3.5) * math.sin(2 * math.pi * t / 4.3),
        sway=(2.5 * math.sin(2 * math.pi * t / 3.7), 1.2 * math.sin(2 * math.pi * t / 2.6)),
        blink=max(math.exp(-(((t - moment) / 0.07) ** 2)) for moment in _BLINKS),
        jaw=speaking * (-4.0 + 11.5 * syllables * stress),
        brow=2.5 * speaking * max(0.0, math.sin(2 * math.pi * t / 2.1)),
    )


def portrait() -> np.ndarray:
    """The portrait, uint8 [512, 512, 3] RGB. Raises `DemoUnavailable` without scikit-image."""
    try:
        from skimage import data
    except ImportError as error:
        raise DemoUnavailable("the demo clip needs scikit-image: pip install 'nvc[demo]'") from error
    return np.asarray(data.astronaut(), dtype=np.uint8)


def make_clip(*, seconds: float = 8.0, frame_rate: float = 25.0, side: int = 256) -> np.ndarray:
    """The demo clip, uint8 [T, 3, side, side] RGB with T = round(seconds * frame_rate).

    Raises `ValueError` for a side outside 16..1024, a rate that is not positive or a clip without a frame, and
    `DemoUnavailable` without scikit-image.
    """
    if not 16 <= side <= 1024:
        raise ValueError(f"side is {side}; it must be 16..1024 pixels")
    if not frame_rate > 0:
        raise ValueError(f"frame_rate is {frame_rate}; it must be positive")
    count = round(seconds * frame_rate)
    if count < 1:
        raise ValueError(f"{seconds} s at {frame_rate} frames a second is no frame at all")
    source = portrait()
    return np.stack([render(source, gesture_at(index / frame_rate), side=side) for index in range(count)])


def render(source: np.ndarray, gesture: Gesture, *, side: int = 256) -> np.ndarray:
    """One frame, uint8 [3, side, side] RGB, of a portrait uint8 [512, 512, 3] that makes a gesture."""
    if source.shape != (PORTRAIT_SIDE, PORTRAIT_SIDE, 3):
        raise ValueError(f"the portrait has shape {source.shape}; it must be ({PORTRAIT_SIDE}, {PORTRAIT_SIDE}, 3)")
    fine = math.ceil(256 / side)  # small frames are averaged from a fine grid, or they would alias
    centres = (np.arange(side * fine) + 0.5) * (_CROP_SIDE / (side * fine))
    x, y = np.meshgrid(_CROP_LEFT + centres, _CROP_TOP + centres)
    x, y = _unturn(x, y, gesture)
    shade = 1.0 - 0.22 * math.sin(gesture.yaw) * np.tanh((x - _HEAD_X) / 50.0) * _head_mask(x, y)
    x, y, inside, mouth_depth = _unexpress(x, y, gesture)
    tongue = _MOUTH_INSIDE + (_TONGUE - _MOUTH_INSIDE) * _smoothstep((mouth_depth - 0.4) / 0.6)[..., None]
    pixels = _sample(source, x, y) * (1 - inside)[..., None] + tongue * inside[..., None]
    pixels = (pixels * shade[..., None]).reshape(side, fine, side, fine, 3).mean(axis=(1, 3))
    return np.ascontiguousarray(np.clip(np.rint(pixels), 0, 255).astype(np.uint8).transpose(2, 0, 1))


def _unturn(x: Field, y: Field, gesture: Gesture) -> tuple[Field, Field]:
    """Where each pixel of the turned head was in the portrait: the turn, inverted by fixed-point iteration."""
    rotation = _rotation(gesture)
    source_x, source_y = x, y
    for _ in range(10):  # the displacement's slope stays below 0.7, so ten rounds leave under 0.03 of it
        shift_x, shift_y = _turn(source_x, source_y, rotation, gesture.sway)
        source_x, source_y = x - shift_x, y - shift_y
    return source_x, source_y


def _rotation(gesture: Gesture) -> np.ndarray:
    angles = torch.tensor([[gesture.pitch, gesture.yaw, gesture.roll]], dtype=torch.float64)
    return euler_to_matrix(angles)[0].numpy()


def _turn(x: Field, y: Field, rotation: np.ndarray, sway: tuple[float, float]) -> tuple[Field, Field]:
    """Displacement of the portrait's pixels when the head turns (weak perspective) and sways."""
    head = _head_mask(x, y)
    point = np.stack([x - _HEAD_X, y - _PIVOT_Y, _depth(x, y)])
    turned = np.tensordot(rotation[:2], point, axes=1)
    follow = 0.25 + 0.75 * head  # shoulders and background follow a little, so that nothing tears
    return head * (turned[0] - point[0]) + follow * sway[0], head * (turned[1] - point[1]) + follow * sway[1]


def _depth(x: Field, y: Field) -> Field:
    """Depth of the head's surface: a bump for the skull, one for the nose; negative is towards the camera."""
    skull = _HEAD_DEPTH * np.exp(-(((x - _HEAD_X) / _HEAD_HALF_WIDTH) ** 2) - ((y - _HEAD_Y) / _HEAD_HALF_HEIGHT) ** 2)
    nose = 8.0 * np.exp(-(((x - 225.0) / 10.0) ** 2) - ((y - 124.0) / 13.0) ** 2)
    return -(skull + nose)


def _head_mask(x: Field, y: Field) -> Field:
    """1 on the head, falling smoothly to 0 in the background and through the neck."""
    radius = np.hypot((x - _HEAD_X) / _HEAD_HALF_WIDTH, (y - _HEAD_Y) / _HEAD_HALF_HEIGHT)
    return (1 - _smoothstep((radius - 1.0) / 0.9)) * (1 - _smoothstep((y - _CHIN_Y) / (_COLLAR_Y - _CHIN_Y)))


def _unexpress(x: Field, y: Field, gesture: Gesture) -> tuple[Field, Field, Field, Field]:
    """Undo brows, eyelids and jaw. Returns portrait coordinates, how much the open mouth shows, and its depth."""
    brow = np.exp(-(((x - _HEAD_X) / 34.0) ** 2) - ((y - 88.0) / 11.0) ** 2)
    y = y + gesture.brow * brow
    for eye_x, eye_y, half_width in _EYES:
        y = _unblink(y, np.abs(x - eye_x) / half_width, eye_y, gesture.blink)
    pucker = np.exp(-(((x - _MOUTH_X) / 30.0) ** 2) - ((y - 148.0) / 16.0) ** 2)
    x = x + 0.022 * gesture.jaw * pucker * (x - _MOUTH_X)  # an open mouth is a narrower one
    return x, *_unspeak(x, y, gesture.jaw)


def _unblink(y: Field, across: Field, eye_y: float, blink: float) -> Field:
    """Draw the skin above one eye over it: the lid occludes the eyeball, which does not move.

    The skin stretches near the brow and hardly at the edge, so that the lashes keep their thickness.
    """
    arch = np.clip(1 - across**2, 0, None)
    edge = eye_y - _EYE_RISE * arch
    hinge = edge - _LID_HEIGHT
    drop = blink * (_EYE_RISE + _EYE_FALL) * arch
    along = np.clip((y - hinge) / (_LID_HEIGHT + drop), 0, 1)
    even = np.maximum(1 - drop / _LID_HEIGHT, 0.15)
    skin = hinge + _LID_HEIGHT * (even * along + (1 - even) * along**2)
    return np.where((across < 1) & (y > hinge) & (y < edge + drop), skin, y)


def _unspeak(x: Field, y: Field, jaw: float) -> tuple[Field, Field, Field]:
    """Move lower lip and chin by `jaw` pixels. Returns the portrait's y, visibility and depth of the mouth's inside."""
    across = np.abs(x - _MOUTH_X) / _MOUTH_HALF_WIDTH
    arch = np.clip(1 - across**2, 0, None)
    below = y - (_MOUTH_CORNER_Y + (_TEETH_EDGE_Y - _MOUTH_CORNER_Y) * arch)  # 0 where the teeth meet the lower lip
    gap = jaw * arch**0.8
    inside = _smoothstep((below + 0.9) / 1.8) * _smoothstep((gap - below + 0.9) / 1.8) * _smoothstep(gap / 2.0)
    chin = jaw * np.exp(-((x - _MOUTH_X) ** 2) / 32.0**2) * (1 - _smoothstep((y - 166.0) / 40.0))  # the throat stays
    shift = gap + (chin - gap) * _smoothstep((below - gap) / 26.0)
    return np.where(below > gap, y - shift, y), inside, np.clip(below / np.maximum(gap, 1.0), 0, 1)


def _sample(source: np.ndarray, x: Field, y: Field) -> np.ndarray:
    """Bicubic samples, float64 [H, W, 3], of the portrait at pixel coordinates."""
    picture = torch.from_numpy(source.astype(np.float64)).permute(2, 0, 1)[None]
    grid = torch.from_numpy(np.stack([x, y], axis=-1) * (2 / PORTRAIT_SIDE) - 1)[None]
    sampled = functional.grid_sample(picture, grid, mode="bicubic", padding_mode="border", align_corners=False)
    return sampled[0].permute(1, 2, 0).numpy()


def _smoothstep(value: Field) -> Field:
    clipped = np.clip(value, 0.0, 1.0)
    return clipped * clipped * (3 - 2 * clipped)


def _smoothstep_scalar(value: float) -> float:
    return float(_smoothstep(np.asarray(value)))
