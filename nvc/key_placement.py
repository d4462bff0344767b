"""When a new key frame is needed: by the clock, at a scene cut, or when the head has turned too far away."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum

import numpy as np
from numpy.typing import NDArray


class KeyReason(Enum):
    """Why a key frame was made."""

    FIRST = "first"
    INTERVAL = "interval"
    SCENE_CUT = "scene cut"
    TURN = "turn"
    REQUEST = "request"


@dataclass(frozen=True)
class KeyPolicy:
    """Bounds on the distance to the key frame.

    Attributes:
        interval: frames from one key frame to the next at most; None for no bound.
        turn: degrees by which the head may be turned from the key picture's pose.
        patience: frames for which it must stay turned before a key frame is spent on it.
        spacing: frames between two key frames at least, except at scene cuts.
    """

    interval: int | None = None
    turn: float = 35.0
    patience: int = 5
    spacing: int = 50


class KeyPlacement:
    """Follows the head frame by frame and says when a key frame is due."""

    def __init__(self, policy: KeyPolicy) -> None:
        self.policy = policy
        self._key: NDArray[np.float64] | None = None
        self._since = 0
        self._turned = 0
        self._requested = False

    def request(self) -> None:
        """Make the next frame a key frame (a receiver has lost its own)."""
        self._requested = True

    def next(self, angles: NDArray[np.float64], *, cut: bool) -> KeyReason | None:
        """Look at the next frame.

        Args:
            angles: its pitch, yaw and roll in radians.
            cut: whether a new scene begins with it.

        Returns:
            Why it must be a key frame, or None.
        """
        reason = self._reason(angles, cut)
        if reason is None:
            self._since += 1
        else:
            self._key, self._since, self._turned, self._requested = angles, 1, 0, False
        return reason

    def _reason(self, angles: NDArray[np.float64], cut: bool) -> KeyReason | None:
        if self._key is None:
            return KeyReason.FIRST
        if cut:
            return KeyReason.SCENE_CUT
        if self._requested:
            return KeyReason.REQUEST
        if self.policy.interval is not None and self._since >= self.policy.interval:
            return KeyReason.INTERVAL
        far = turn_between(angles, self._key) > self.policy.turn
        self._turned = self._turned + 1 if far else 0
        if self._turned > self.policy.patience and self._since >= self.policy.spacing:
            return KeyReason.TURN
        return None


def turn_between(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    """Angle in degrees between the directions in which two heads look; roll does not count, a picture can be rolled."""

    def gaze(angles: NDArray[np.float64]) -> NDArray[np.float64]:
        pitch, yaw = float(angles[0]), float(angles[1])
        return np.array([math.sin(yaw) * math.cos(pitch), -math.sin(pitch), math.cos(yaw) * math.cos(pitch)])

    return math.degrees(math.acos(float(np.clip(gaze(a) @ gaze(b), -1.0, 1.0))))
