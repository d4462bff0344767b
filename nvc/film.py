"""The squares of a video as often as they are wanted: kept in memory while they are few, else read again."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from nvc.colour import Rgb
from nvc.crop import CropPlan, Square
from nvc.statistics import StageTimes
from nvc.video import VideoReader

_KEPT_BYTES = 1 << 28  # of pictures in memory: about a minute at a side of 256


class Film:
    """Every frame's square, uint8 ``[side, side, 3]``, in order. Raises VideoError where the video cannot be read."""

    def __init__(
        self, reader: VideoReader, crop: CropPlan, *, side: int, times: StageTimes, kept_bytes: int = _KEPT_BYTES
    ) -> None:
        self._reader = reader
        self._crop = crop
        self._side = side
        self._times = times
        self._most = kept_bytes // (3 * side * side)
        self._kept: list[Rgb] | None = None

    def __iter__(self) -> Iterator[Rgb]:
        if self._kept is not None:
            yield from self._kept
            return
        kept: list[Rgb] = []
        for picture in self._read():
            if len(kept) <= self._most:
                kept.append(picture)
            yield picture
        if len(kept) <= self._most:
            self._kept = kept

    def square(self, index: int) -> Square:
        """Where in the source a frame's square lies."""
        return self._crop.segment_at(index).square

    def face(self, index: int) -> bool:
        """Whether a face is there, as far as the search for it knows."""
        return self._crop.face_found and self._crop.face_at(index)

    def span(self, start: int, end: int) -> Iterator[Rgb]:
        """Frames ``start`` to ``end - 1``."""
        if self._kept is not None:
            yield from self._kept[start:end]
            return
        for index, picture in enumerate(self):
            if index >= end:
                return
            if index >= start:
                yield picture

    def some(self, indices: Iterable[int]) -> dict[int, Rgb]:
        """Single frames by their index."""
        wanted = set(indices)
        if self._kept is not None:
            return {index: self._kept[index] for index in wanted}
        return {index: picture for index, picture in enumerate(self) if index in wanted} if wanted else {}

    def _read(self) -> Iterator[Rgb]:
        frames = self._reader.source_frames()
        index = 0
        while True:
            with self._times.stage("reading"):
                frame = next(frames, None)
                if frame is None:
                    return
                picture = frame.square(self.square(index), self._side)
            yield picture
            index += 1
