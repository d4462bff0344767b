"""Writing a video file beside decoding: colour conversion and H.264 or FFV1 take their own thread."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable

from bitstream import AudioPacket
from nvc.colour import Rgb
from nvc.video_writer import VideoWriter

_WAITING = 32  # frames that may wait to be written: six megabytes at 256 x 256


class BackgroundWriter:
    """A `VideoWriter` that hands everything to another one in a thread of its own, in order.

    An error of that writer is raised by the next call, at the latest by :meth:`close`. As a context manager it ends
    its thread, after what waits has been written; only :meth:`close` finishes the file.
    """

    def __init__(self, writer: VideoWriter) -> None:
        self._writer = writer
        self._jobs: queue.Queue[Callable[[], None] | None] = queue.Queue(_WAITING)
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._work, name="nvc-writing", daemon=True)
        self._thread.start()

    def __enter__(self) -> BackgroundWriter:
        return self

    def __exit__(self, *error: object) -> None:
        self._stop()

    def write(self, rgb: Rgb) -> None:
        """The next frame, uint8 ``[height, width, 3]``; it must not be changed afterwards."""
        self._put(lambda: self._writer.write(rgb))

    def write_audio(self, packet: AudioPacket) -> None:
        """A packet of the audio track."""
        self._put(lambda: self._writer.write_audio(packet))

    def close(self) -> None:
        """Wait until everything is written, and finish the file."""
        self._stop()
        self._raise()
        self._writer.close()

    def _stop(self) -> None:
        if self._thread.is_alive():
            self._jobs.put(None)
            self._thread.join()

    def _put(self, job: Callable[[], None]) -> None:
        self._raise()
        self._jobs.put(job)

    def _raise(self) -> None:
        if self._error is not None:
            error, self._error = self._error, None
            raise error

    def _work(self) -> None:
        failed = False
        while (job := self._jobs.get()) is not None:
            if failed:
                continue  # take jobs away, so that nobody waits for room
            try:
                job()
            except BaseException as error:
                self._error, failed = error, True
