"""A first look through a whole video: where its scenes begin, and where the face is in each."""

from __future__ import annotations

from collections.abc import Callable

from nvc.crop import CropPlan, Face, FaceDetector, Sighting, plan_squares
from nvc.scenes import CutDetector, thumbnail
from nvc.video import VideoReader

LOOK_SIDE = 1280  # faces down to a sixteenth of this can be found
_GLANCE_SIDE = 256  # enough to see a cut
_SHORTEST_STEP = 0.4  # seconds between looks for the face; twice as long each time that it has kept its place
_LONGEST_STEP = 1.6
_KEPT_PLACE = 0.1  # of the face's side


def survey(reader: VideoReader, *, progress: Callable[[int], None] = lambda frames: None) -> CropPlan:
    """Squares for every scene of a video. ``progress`` is told how many frames have been seen after each.

    Raises CropUnavailable without a face detector, VideoError where the video cannot be read.
    """
    detector, cut_detector = FaceDetector(), CutDetector()
    pace = _Pace(float(reader.info.frame_rate))
    sightings: list[Sighting] = []
    cuts: list[int] = []
    count = 0
    for index, frame in enumerate(reader.source_frames()):
        if cut_detector.is_cut(thumbnail(frame.small(_GLANCE_SIDE)[0])):
            cuts.append(index)
            detector.forget()
            pace.restart()
        if pace.is_due(index):
            small, scale = frame.small(LOOK_SIDE)
            sightings.append(Sighting(index, _unscaled(detector.find(small), scale)))
            pace.saw(sightings[-1])
        count = index + 1
        progress(count)
    return plan_squares(
        sightings,
        cuts,
        width=reader.info.width,
        height=reader.info.height,
        frame_rate=float(reader.info.frame_rate),
        frame_count=count,
    )


def _unscaled(face: Face | None, scale: float) -> Face | None:
    return None if face is None else Face(face.x / scale, face.y / scale, face.side / scale)


class _Pace:
    """When to look for the face again: soon while it moves or is away, seldom while it stays."""

    def __init__(self, frame_rate: float) -> None:
        self._shortest = max(1, round(_SHORTEST_STEP * frame_rate))
        self._longest = max(1, round(_LONGEST_STEP * frame_rate))
        self.restart()

    def restart(self) -> None:
        """Look at the very next frame."""
        self._next, self._step = 0, self._shortest
        self._face: Face | None = None

    def is_due(self, index: int) -> bool:
        return index >= self._next

    def saw(self, sighting: Sighting) -> None:
        last, face = self._face, sighting.face
        stays = last is not None and face is not None and _distance(last, face) < _KEPT_PLACE * last.side
        self._step = min(2 * self._step, self._longest) if stays else self._shortest
        self._face = face
        self._next = sighting.frame + self._step


def _distance(a: Face, b: Face) -> float:
    return max(abs(a.x - b.x), abs(a.y - b.y), abs(a.side - b.side))
