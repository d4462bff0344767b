"""Free view: the receiver looks at the head from another side, at no cost in bits (face-vid2vid, section 3.3)."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch

from nvc.pose import HeadMotion, redirect

FAR_YAW, FAR_PITCH, FAR_ROLL, FAR_SHIFT = 30.0, 20.0, 45.0, 0.5
"""Degrees and half-sides beyond which much of the picture has to be invented."""


@dataclass(frozen=True)
class View:
    """How the receiver wants to see the head.

    Attributes:
        yaw, pitch, roll: degrees added to the head's own, -180 to 180.
        x, y: shift in half-sides, -2 to 2.
        frontal: hold the head frontal (before the angles above are added) while the expression plays.
    """

    yaw: float = 0.0
    pitch: float = 0.0
    roll: float = 0.0
    x: float = 0.0
    y: float = 0.0
    frontal: bool = False

    def __post_init__(self) -> None:
        for name, most in (("yaw", 180), ("pitch", 180), ("roll", 180), ("x", 2), ("y", 2)):
            if not abs(getattr(self, name)) <= most:
                raise ValueError(f"{name} of the view is {getattr(self, name)}; it must be -{most} to {most}")

    def warnings(self) -> tuple[str, ...]:
        """What looks unlikely to come out well, one sentence each."""
        sentences = []
        if abs(self.yaw) > FAR_YAW or abs(self.pitch) > FAR_PITCH:
            sentences.append(f"beyond {FAR_YAW:g} degrees of yaw or {FAR_PITCH:g} of pitch heads lose their likeness")
        if abs(self.roll) > FAR_ROLL:
            sentences.append(f"beyond {FAR_ROLL:g} degrees of roll the neck cannot follow the head")
        if max(abs(self.x), abs(self.y)) > FAR_SHIFT:
            sentences.append(f"beyond {FAR_SHIFT:g} half pictures the head leaves the rest of its body behind")
        return tuple(sentences)

    def apply(self, motion: HeadMotion) -> HeadMotion:
        """The heads as they are to be drawn: R_d <- R_u R_d, t_d <- t_u + t_d."""
        if self == View():  # to the bit: the way through matrices rounds
            return motion
        if self.frontal:
            motion = replace(motion, angles=torch.zeros_like(motion.angles))
        angles = torch.tensor([math.radians(a) for a in (self.pitch, self.yaw, self.roll)])
        shift = torch.tensor([self.x, self.y, 0.0])
        return redirect(motion, angles=angles.to(motion.angles), translation=shift.to(motion.angles))
