"""What the studio does, without the page: code a clip, draw it as wished, show one frame at once."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import islice
from pathlib import Path

import numpy as np
import torch

from bitstream import KeyFrame, Sequence, UnitType, parse_payload
from bitstream.stream import Frame, StreamDecoder
from nvc.colour import Rgb
from nvc.crop import Square
from nvc.drawing import Drawer, drawer_for
from nvc.expression import ExpressionEdit
from nvc.files import decode_file, encode_file
from nvc.inference import load_model
from nvc.models import zoo
from nvc.models.interface import CodecModel
from nvc.motion_track import motion_track
from nvc.nvc_file import NvcFile
from nvc.renderer import Renderer
from nvc.staging import Staging
from nvc.statistics import StageTimes
from nvc.studio.rival import RivalClip, code_like
from nvc.transfer import Transfer
from nvc.video import VideoReader
from nvc.video_writer import ContainerWriter, VideoFormat
from nvc.view import View

MOST_SECONDS = 60.0
Progress = Callable[[str, int, int | None], None]
_CPU = torch.device("cpu")


class TooLong(ValueError):
    """The clip is longer than a page can show in a sensible time."""


@dataclass(frozen=True)
class Wishes:
    """How the clip is to be drawn."""

    view: View = View()
    edit: ExpressionEdit = ExpressionEdit()
    transfer: Transfer | None = None

    def staging(self) -> Staging:
        """The wishes as the renderer takes them."""
        return Staging(view=self.view, edit=self.edit, transfer=self.transfer)

    def warnings(self) -> tuple[str, ...]:
        """What looks unlikely to come out well."""
        return (*self.view.warnings(), *self.edit.warnings())


@dataclass
class Session:
    """A clip that has been coded: files in ``folder``, rates in kbit/s without audio, and what previews need."""

    folder: Path
    frames: int
    frame_rate: Fraction
    kbps: float
    rival: RivalClip
    warnings: tuple[str, ...]
    model: CodecModel
    coded: list[tuple[Sequence, KeyFrame, Frame]] = field(repr=False)
    _drawer: Drawer | None = field(default=None, repr=False)
    _renderers: dict[int, Renderer] = field(default_factory=dict, repr=False)

    @property
    def nvc_path(self) -> Path:
        """The coded file."""
        return self.folder / "clip.nvc"

    @property
    def original_path(self) -> Path:
        """The square that was coded, before coding."""
        return self.folder / "original.mp4"

    @property
    def plain_path(self) -> Path:
        """The coded file as any receiver shows it."""
        return self.folder / "plain.mp4"

    def discard(self) -> None:
        """Nobody looks at it any more: remove its files."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def draw(self, wishes: Wishes, progress: Progress) -> Path:
        """The whole clip as wished, as an MP4."""
        path = self.plain_path if wishes == Wishes() else self.folder / "drawn.mp4"
        edit = None if wishes.edit == ExpressionEdit() else wishes.edit
        decode_file(
            self.nvc_path,
            path,
            model=self.model,
            device="cpu",
            view=wishes.view,
            edit=edit,
            transfer=wishes.transfer,
            force=True,
            progress=progress,
        )
        return path

    def preview(self, index: int, wishes: Wishes) -> Rgb:
        """One frame as wished, uint8 [S, S, 3]; a conventional picture, which no wish can turn, as it is."""
        sequence, key, frame = self.coded[min(max(index, 0), len(self.coded) - 1)]
        if not frame.values:
            return next(islice(VideoReader(self.plain_path).frames(), frame.presentation_index, None))
        if self._drawer is None:
            self._drawer = drawer_for(self.model, _CPU)
        known = key.presentation_index
        if known not in self._renderers:
            renderer = Renderer(self.model, sequence, _CPU, StageTimes(), self._drawer)
            renderer.add_source(key)
            self._renderers[known] = renderer
        staging = wishes.staging()
        staging.foresee(motion_track(NvcFile(self.nvc_path)), self.model.config.expression)
        picture = self._renderers[known].render([frame.values], [key.source_slot], staging)[0]
        return np.ascontiguousarray(picture.transpose(1, 2, 0))


def code(
    video: Path,
    folder: Path,
    *,
    quality: int,
    crop: str,
    progress: Progress,
    model: str | Path | CodecModel = zoo.DEFAULT_MODEL,
) -> Session:
    """Code a clip by nvc and by x264 at the same rate, into a folder.

    Raises:
        TooLong: it plays for more than a minute. Else what `nvc.encode_file` raises.
    """
    info = VideoReader(video).info
    if info.frame_count is not None and info.frame_count / info.frame_rate > MOST_SECONDS:
        seconds = float(info.frame_count / info.frame_rate)
        raise TooLong(f"the clip plays for {seconds:.0f} seconds; this page takes up to {MOST_SECONDS:g}")
    loaded = load_model(model, _CPU)
    path = folder / "clip.nvc"
    report = encode_file(
        video, path, quality=quality, crop=crop, model=loaded, device="cpu", force=True, progress=progress
    )
    squares = _coded_frames(video, path, int(loaded.config.side))
    _write(squares, report.frame_rate, folder / "original.mp4")
    progress("coding with x264", 0, None)
    kbps = report.video_kbps
    rival = code_like(squares, frame_rate=report.frame_rate, kbps=kbps, path=folder / "x264.mp4")
    session = Session(folder, report.frames, report.frame_rate, kbps, rival, report.warnings, loaded, _part_a(path))
    session.draw(Wishes(), progress)
    return session


def _part_a(path: Path) -> list[tuple[Sequence, KeyFrame, Frame]]:
    """Every frame, with the SEQUENCE and the key frame that it is drawn from."""
    stream = StreamDecoder()
    found = []
    for unit in NvcFile(path).units():
        if isinstance(unit.type, UnitType):
            frames = stream.decode(unit)
            if stream.sequence is not None and stream.key is not None:
                found += [(stream.sequence, stream.key, frame) for frame in frames]
    return found


def _coded_frames(video: Path, coded: Path, side: int) -> list[Rgb]:
    """The squares of the original that were coded."""
    starts: list[tuple[int, Square]] = []
    sequence: Sequence | None = None
    for unit in NvcFile(coded).units():
        if unit.type not in (UnitType.SEQUENCE, UnitType.KEYFRAME):
            continue
        payload = parse_payload(unit, sequence)
        if isinstance(payload, Sequence):
            sequence = payload
        elif isinstance(payload, KeyFrame) and sequence is not None:
            square = Square(sequence.crop_x, sequence.crop_y, sequence.crop_side)
            starts.append((payload.presentation_index, square))
    frames = []
    for index, frame in enumerate(VideoReader(video).source_frames()):
        while len(starts) > 1 and starts[1][0] <= index:
            starts.pop(0)
        frames.append(frame.square(starts[0][1], side))
    return frames


def _write(frames: list[Rgb], rate: Fraction, path: Path) -> None:
    side = frames[0].shape[0]
    writer = ContainerWriter(path, VideoFormat.MP4, width=side, height=side, frame_rate=rate)
    for rgb in frames:
        writer.write(np.ascontiguousarray(rgb))
    writer.close()
