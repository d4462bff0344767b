"""Where a call is shown: a video file, or nowhere."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from types import TracebackType

import numpy as np

from nvc.background_writer import BackgroundWriter
from nvc.live.receiver import Receiver, Shown
from nvc.output import new_file
from nvc.video_writer import ContainerWriter, VideoFormat, format_of_name


class Screen:
    """Writes what a receiver shows; the file begins with the first picture, when its size and rate are known."""

    def __init__(self, receiver: Receiver, target: str | Path | None, *, force: bool = False) -> None:
        """``target``: an .mkv or .mp4 file, or None. Raises ValueError for another suffix."""
        if target is not None and format_of_name(target) is VideoFormat.Y4M:
            raise ValueError(f"output {target}: a call is written as .mkv or .mp4")
        self.receiver = receiver
        self._target = target
        self._force = force
        self._open = ExitStack()
        self._writer: BackgroundWriter | None = None

    def __enter__(self) -> Screen:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._open:
            if error is None and self._writer is not None:
                self._writer.close()

    def show(self, shown: Shown) -> None:
        """Write the next picture. Raises OSError."""
        if self._target is None:
            return
        if self._writer is None:
            self._writer = self._begin(shown)
        self._writer.write(np.ascontiguousarray(shown.picture.transpose(1, 2, 0)))

    def _begin(self, shown: Shown) -> BackgroundWriter:
        sequence = self.receiver.decoder.sequence
        if sequence is None or self._target is None:
            raise RuntimeError("pictures come after the SEQUENCE that tells their rate")
        path = self._open.enter_context(new_file(self._target, force=self._force))
        height, width = shown.picture.shape[1:]
        kind = format_of_name(self._target)
        writer = ContainerWriter(path, kind, width=width, height=height, frame_rate=sequence.frame_rate)
        return self._open.enter_context(BackgroundWriter(writer))
