"""One pass, live: plans in, units out, never more of them than the line carries.

With a bucket, what does not fit waits: frames are coded late rather than lost, and while too many wait, heads keep
still, which costs next to nothing. Key pictures are as fine as the bucket has room for, down to a quarter of the side.
Without one every frame is coded at once at the coding point.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction

from bitstream import Unit
from nvc import colour, keyframe
from nvc.analysis import FramePlan
from nvc.bucket import LeakyBucket, Option
from nvc.picture_coder import PictureCoder, PicturePoint, Preset
from nvc.rate import CodingPoint
from nvc.statistics import EncoderStatistics
from nvc.unit_coder import KeyInput, UnitCoder

_KEY_ROOM = 0.8  # part of the free room that a key picture may take
_COARSER = 4  # QP between the key pictures that are tried
_SHRINKS = (1, 2, 4)  # coded sides of key pictures, as parts of the full one
_OVERHEAD = 120  # bytes of a key frame around its picture, SEQUENCE included
_SPARE = 1.1  # times the bytes of the last key frame must have gone unused before another is sent for nothing else
_FIRST_GUESS = 16.0  # bytes of a motion unit before any has been seen
_PICTURES_SHARE = 0.85  # of the bitrate, for H.264 that keeps its own bucket


class LiveCoder:
    """Codes plans as they come. ``side``: pixels of the coded square."""

    def __init__(
        self,
        coder: UnitCoder,
        point: CodingPoint,
        *,
        side: int,
        frame_rate: Fraction,
        crf: float,
        bucket: LeakyBucket | None = None,
        bitrate: float | None = None,
        statistics: EncoderStatistics | None = None,
        ask_for_key: Callable[[], None] = lambda: None,
    ) -> None:
        """Set up; ``ask_for_key`` is called when the line has long had room for a better key picture."""
        self._coder = coder
        self._point = point
        self._side = side
        self._rate = frame_rate
        self._crf = crf
        self._bitrate = bitrate
        self.bucket = bucket
        self._statistics = statistics or EncoderStatistics()
        self._plans: deque[FramePlan] = deque()
        self._units: deque[Unit] = deque()
        self._pictures: PictureCoder | None = None
        self._usual = _FIRST_GUESS
        self._ask_for_key = ask_for_key
        self._unused, self._key_bytes = 0.0, 0.0  # bytes that the line could have carried since the last key frame

    def code(self, plan: FramePlan) -> list[Unit]:
        """Units that go out in this frame's time, in order."""
        if self.bucket is None:
            return self._coded(plan, None)
        self._unused += self.bucket.tick() / 8
        self._plans.append(plan)
        if self._unused > _SPARE * self._key_bytes and plan.face and not plan.is_key:
            self._unused = -_SPARE * self._key_bytes  # and not again while that one is on its way
            self._ask_for_key()
        sent = self._send()
        while self._plans and not self._units:
            room = self.bucket.room
            if not self._plans[0].is_key and room < 2 * self._usual:
                break
            if self._plans[0].is_key and self._smallest_key(self._plans[0]) > room:
                break
            self._units += self._coded(self._plans.popleft(), room)
            sent += self._send()
        return sent

    def flush(self) -> list[Unit]:
        """All that waits, without regard to the line: the stream ends here."""
        units = list(self._units)
        self._units.clear()
        while self._plans:
            units += self._coded(self._plans.popleft(), None)
        return units + self._coder.flush()

    def _send(self) -> list[Unit]:
        sent: list[Unit] = []
        while self.bucket is not None and self._units and len(self._units[0].to_bytes()) <= self.bucket.room:
            sent.append(self._units.popleft())
            self.bucket.put(len(sent[-1].to_bytes()))
        return sent

    def _coded(self, plan: FramePlan, room: int | None) -> list[Unit]:
        if plan.is_key and plan.reason is not None:
            self._statistics.key_frames.append((plan.index, plan.reason.value))
        if plan.picture is not None:
            return self._conventional(plan, plan.picture)
        self._pictures = None
        if plan.key is not None and plan.is_key:
            units = self._coder.key_frame(plan.key if room is None else self._fitting(plan.key, room))
            self._key_bytes, self._unused = float(sum(len(unit.to_bytes()) for unit in units)), 0.0
            return units
        late = len(self._plans) > self._patience
        units = self._coder.motion(None if late else plan.motion)
        self._usual += 0.1 * (sum(len(unit.to_bytes()) for unit in units) - self._usual)
        return units

    @property
    def _patience(self) -> int:
        """Frames that may wait before heads keep still."""
        return 0 if self.bucket is None else max(1, int(self.bucket.capacity / self.bucket.rate * self._rate))

    def _conventional(self, plan: FramePlan, picture: colour.Rgb) -> list[Unit]:
        if plan.is_key or self._pictures is None:
            point = PicturePoint(crf=self._crf, side=self._side, preset=Preset.FAST, delay=False)
            bitrate = None if self._bitrate is None else _PICTURES_SHARE * self._bitrate
            self._pictures = PictureCoder(point, frame_rate=self._rate, bitrate=bitrate)
            (first,) = self._pictures.push(picture)
            return self._coder.start_pictures(first, index=plan.index, side=point.side, square=plan.square)
        return self._coder.more_pictures(self._pictures.push(picture))

    def _fitting(self, key: KeyInput, room: int) -> KeyInput:
        """The key frame with the best picture for the room that there is; the UnitCoder codes it at ``key.qp``."""
        candidates = self._candidates(key)
        options = [Option(size, worth) for _, _, size, worth in candidates]
        limit = max(int(_KEY_ROOM * room), min(option.cost for option in options))
        fitting = [k for k, option in enumerate(options) if option.cost <= limit]
        best = max(fitting, key=lambda k: options[k].worth)
        shrink, qp, _, _ = candidates[best]
        return replace(key, picture=self._shrunk(key, shrink), qp=qp)

    def _candidates(self, key: KeyInput) -> list[tuple[int, int, int, float]]:
        """Ways to code a key picture: shrink, QP, bytes, worth. Fewer pixels are worth as much as 8 QP more."""
        found = []
        for number, shrink in enumerate(_SHRINKS):
            small = self._shrunk(key, shrink)
            for qp in range(self._point.key_qp, keyframe.MAX_QP + 1, _COARSER):
                size = len(keyframe.encode_picture(small, qp=qp)) + _OVERHEAD
                found.append((shrink, qp, size, -float(qp + 8 * number)))
        return found

    def _smallest_key(self, plan: FramePlan) -> int:
        if plan.key is None or plan.picture is not None:
            return 0
        small = self._shrunk(plan.key, _SHRINKS[-1])
        return len(keyframe.encode_picture(small, qp=keyframe.MAX_QP)) + _OVERHEAD

    def _shrunk(self, key: KeyInput, shrink: int) -> colour.Rgb:
        side = max(16, self._side // shrink // 2 * 2)
        return colour.resize_rgb(key.picture, width=side, height=side)
