"""Videos of any size to square clips of one face, the way VoxCeleb was made: detect, follow, crop, keep what lasts.

The square is the codec's own (`nvc.crop`): about twice as wide as the face, steady for as long as the face stays in
it, new at every cut. A stretch without a face, a face that is too small, or one that stays too shortly is left out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from nvc.crop import CropPlan, Square
from nvc.survey import survey
from nvc.video import VideoReader
from nvc.video_writer import ContainerWriter, VideoFormat

VIDEO_SUFFIXES = (".mp4", ".mov", ".mkv", ".webm", ".avi", ".m4v")


@dataclass(frozen=True)
class CutRules:
    """What is worth keeping.

    Attributes:
        least_side: of the square in source pixels; VoxCeleb's crops for 256 pixels keep 256 and more.
        least_frames: of a clip.
        most_frames: of a clip; longer ones are cut in pieces, so that one person does not become one huge clip.
    """

    least_side: int = 256
    least_frames: int = 64
    most_frames: int = 1024

    def __post_init__(self) -> None:
        if self.least_side < 16 or not 1 <= self.least_frames <= self.most_frames:
            raise ValueError(
                f"least_side {self.least_side}, least_frames {self.least_frames} and most_frames {self.most_frames} do "
                "not go together: at least 16 pixels, 1 frame, and no more least_ than most_frames"
            )


@dataclass(frozen=True)
class Stretch:
    """Frames of a video that become one clip, and the square that is cut out of them."""

    frames: range
    square: Square


def stretches(plan: CropPlan, frame_count: int, rules: CutRules) -> list[Stretch]:
    """The parts of a surveyed video that are kept, in order."""
    if not plan.face_found:
        return []
    kept = []
    ends = [segment.start for segment in plan.segments[1:]] + [frame_count]
    for segment, end in zip(plan.segments, ends, strict=True):
        if segment.square.side < rules.least_side:
            continue
        for run in _runs(segment.start, end, plan):
            pieces = -(-len(run) // rules.most_frames)
            bounds = [run.start + len(run) * i // pieces for i in range(pieces + 1)] if pieces else []
            spans = [range(a, b) for a, b in zip(bounds, bounds[1:], strict=False)]
            kept += [Stretch(span, segment.square) for span in spans if len(span) >= rules.least_frames]
    return kept


def _runs(start: int, end: int, plan: CropPlan) -> Iterator[range]:
    # What is left of start..end without the frames that show no face.
    at = start
    for gone in plan.absent:
        if gone.stop <= at or gone.start >= end:
            continue
        if gone.start > at:
            yield range(at, gone.start)
        at = max(at, gone.stop)
    if at < end:
        yield range(at, end)


def cut_video(path: Path, out: Path, *, side: int = 256, rules: CutRules | None = None) -> list[Path]:
    """Cut one video into clips ``NAME__0.mp4``, ``NAME__1.mp4``, ... of ``side`` pixels.

    Args:
        path: of the video.
        out: folder for the clips; made when missing.
        side: of the clips.
        rules: what is worth keeping.

    Returns:
        The clips, often none. A clip that is there already is not written again.

    Raises:
        CropUnavailable: there is no face detector (``pip install 'nvc[crop]'``).
        VideoError: the video cannot be read.
    """
    reader = VideoReader(path)
    counted = 0

    def count(frames: int) -> None:
        nonlocal counted
        counted = frames

    plan = survey(reader, progress=count)
    parts = stretches(plan, counted, rules or CutRules())
    out.mkdir(parents=True, exist_ok=True)
    clips = [out / f"{path.stem}__{number}.mp4" for number in range(len(parts))]
    if not all(clip.exists() for clip in clips):
        _write(reader, parts, clips, side)
    return clips


def _write(reader: VideoReader, parts: list[Stretch], clips: list[Path], side: int) -> None:
    waiting = list(zip(parts, clips, strict=True))
    writer: ContainerWriter | None = None
    for index, frame in enumerate(reader.source_frames()):
        if not waiting:
            break
        part, clip = waiting[0]
        if index not in part.frames:
            continue
        if writer is None:
            rate = reader.info.frame_rate
            writer = ContainerWriter(clip, VideoFormat.MP4, width=side, height=side, frame_rate=rate)
        writer.write(frame.square(part.square, side))
        if index == part.frames[-1]:
            writer.close()
            writer, waiting = None, waiting[1:]
    if writer is not None:  # the second reading came to fewer frames than the first
        writer.close()


def cut_folder(
    folder: Path,
    out: Path,
    *,
    side: int = 256,
    rules: CutRules | None = None,
    report: Callable[[Path, int], None] = lambda path, clips: None,
) -> list[Path]:
    """Cut every video of a folder; ``report`` is told of each and how many clips it gave. Raises as `cut_video`."""
    clips: list[Path] = []
    for path in sorted(p for p in folder.iterdir() if p.suffix.lower() in VIDEO_SUFFIXES):
        found = cut_video(path, out, side=side, rules=rules)
        report(path, len(found))
        clips += found
    return clips
