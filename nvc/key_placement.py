"""When a new key frame is needed: by the clock, at a scene cut, or when the picture can no longer explain the head."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from nvc.scenes import Thumbnail


class KeyReason(Enum):
    """Why a key frame was made."""

    FIRST = "first"
    INTERVAL = "interval"
    SCENE_CUT = "scene cut"
    CROP = "crop"
    TURN = "turn"
    FACE = "face is back"
    NO_FACE = "no face"
    REQUEST = "request"
    SOURCE = "source"  # in files: it serves the frames that follow better than what is held


@dataclass(frozen=True, kw_only=True)
class KeyPolicy:
    """Bounds on the distance to the key frame.

    Attributes:
        interval: frames from one key frame to the next at most; None for no bound.
        turn: degrees by which the head may be turned from the key picture's pose.
        shift: half-sides by which it may have moved; zoom: octaves by which its size may have changed.
        patience: frames for which it must stay away before a key frame is spent on it.
        spacing: frames between two key frames at least, for turned heads.
        cut_spacing: the same for scene cuts; a flash would cost a picture each way otherwise.
    """

    interval: int | None = None
    turn: float = 14.0
    shift: float = 0.2
    zoom: float = 0.25
    patience: int = 5
    spacing: int = 50
    cut_spacing: int = 6

    @classmethod
    def for_rate(cls, frame_rate: float, *, keyint: float | None = None) -> KeyPolicy:
        """The usual bounds at a frame rate (1/s), a key frame every ``keyint`` seconds at least (None: none)."""
        if keyint is not None and not 0 < keyint < math.inf:
            raise ValueError(f"keyint is {keyint}; it must be more than 0 seconds")
        return cls(
            interval=None if keyint is None else max(1, round(keyint * frame_rate)),
            patience=max(1, round(0.2 * frame_rate)),
            spacing=max(1, round(1.2 * frame_rate)),
            cut_spacing=max(1, round(0.25 * frame_rate)),
        )


@dataclass(frozen=True, kw_only=True)
class Moment:
    """What is known of a frame when it is decided upon.

    Attributes:
        motion: pitch, yaw, roll in radians, tx, ty, tz in half-sides, log2 of the scale, and more.
        thumbnail: of its picture.
        cut: a new scene begins with it.
        face: a face is there.
        new_square: it is cut out of the source in another place than the frame before.
    """

    motion: NDArray[np.float32]
    thumbnail: Thumbnail
    cut: bool = False
    face: bool = True
    new_square: bool = False


SCENE_REASONS = frozenset(
    {KeyReason.FIRST, KeyReason.SCENE_CUT, KeyReason.CROP, KeyReason.FACE, KeyReason.NO_FACE, KeyReason.REQUEST}
)
"""Reasons that have nothing to do with how far the head has moved."""


class KeyPlacement:
    """Follows the head frame by frame and says when a key frame is due."""

    def __init__(self, policy: KeyPolicy) -> None:
        self.policy = policy
        self._key: Moment | None = None
        self._since = 0
        self._away = 0
        self._requested = False
        self._cut_due = False

    @property
    def settled(self) -> bool:
        """False from a cut until its key frame: meanwhile nothing that moves has to do with the key picture."""
        return not self._cut_due

    def request(self) -> None:
        """Make the next frame a key frame (a receiver has lost its own)."""
        self._requested = True

    def restart(self, moment: Moment) -> None:
        """A key frame is made here for a reason of somebody else's."""
        self._key, self._since, self._away = moment, 0, 0
        self._requested = self._cut_due = False

    def next(self, moment: Moment) -> KeyReason | None:
        """Look at the next frame: why it must be a key frame, or None. It is taken to become one."""
        self._since += 1
        self._cut_due = self._cut_due or moment.cut
        far = self._key is not None and moment.face and self._is_far(self._key.motion, moment.motion)
        self._away = self._away + 1 if far else 0
        reason = self._reason(moment)
        if reason is not None:
            self.restart(moment)
        return reason

    def _reason(self, moment: Moment) -> KeyReason | None:
        key, policy = self._key, self.policy
        if key is None:
            return KeyReason.FIRST
        if moment.new_square:
            return KeyReason.CROP
        if self._cut_due and self._since >= policy.cut_spacing:
            return KeyReason.SCENE_CUT
        if self._requested:
            return KeyReason.REQUEST
        if moment.face != key.face:
            return KeyReason.FACE if moment.face else KeyReason.NO_FACE
        if policy.interval is not None and self._since >= policy.interval:
            return KeyReason.INTERVAL
        if self._away > policy.patience and self._since >= policy.spacing:
            return KeyReason.TURN
        return None

    def _is_far(self, key: NDArray[np.float32], motion: NDArray[np.float32]) -> bool:
        policy = self.policy
        shift = float(np.abs(motion[3:5] - key[3:5]).max())
        zoom = abs(float(motion[6] - key[6]))
        return turn_between(motion, key) > policy.turn or shift > policy.shift or zoom > policy.zoom


def turn_between(a: NDArray[np.float32], b: NDArray[np.float32]) -> float:
    """Angle in degrees between the directions in which two heads look, each from its pitch and yaw in radians.

    Roll does not count: a picture can be rolled.
    """

    def gaze(angles: NDArray[np.float32]) -> NDArray[np.float64]:
        pitch, yaw = float(angles[0]), float(angles[1])
        return np.array([math.sin(yaw) * math.cos(pitch), -math.sin(pitch), math.cos(yaw) * math.cos(pitch)])

    return math.degrees(math.acos(float(np.clip(gaze(a) @ gaze(b), -1.0, 1.0))))
