"""Frames are written in order beside decoding, and no error of the writer is lost."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pytest

from bitstream import AudioPacket
from nvc.background_writer import BackgroundWriter


class Notes:
    """A writer that notes what it is told, and in which thread; frame ``fails_at`` is an error."""

    def __init__(self, fails_at: int | None = None) -> None:
        self.told: list[Any] = []
        self.threads: set[int] = set()
        self.closed = False
        self._fails_at = fails_at

    def write(self, rgb: np.ndarray) -> None:
        if rgb[0, 0, 0] == self._fails_at:
            raise OSError("disk full")
        self.told.append(int(rgb[0, 0, 0]))
        self.threads.add(threading.get_ident())

    def write_audio(self, packet: AudioPacket) -> None:
        self.told.append(packet.data)

    def close(self) -> None:
        self.closed = True


def frame(value: int) -> np.ndarray:
    return np.full((2, 2, 3), value, np.uint8)


def test_frames_and_audio_keep_their_order_in_another_thread() -> None:
    notes = Notes()
    with BackgroundWriter(notes) as writer:
        for value in range(100):
            writer.write(frame(value))
        writer.write_audio(AudioPacket(0, 1, b"sound"))
        writer.close()
    assert notes.told == [*range(100), b"sound"] and notes.closed
    assert threading.get_ident() not in notes.threads


def test_an_error_of_the_writer_is_raised_and_nobody_waits_for_ever() -> None:
    notes = Notes(fails_at=3)
    with pytest.raises(OSError, match="disk full"), BackgroundWriter(notes) as writer:
        for value in range(200):
            writer.write(frame(value))
        writer.close()
    assert notes.told == [0, 1, 2] and not notes.closed


def test_leaving_early_ends_the_thread_without_finishing_the_file() -> None:
    notes = Notes()
    with pytest.raises(ZeroDivisionError), BackgroundWriter(notes) as writer:
        writer.write(frame(1))
        _ = 1 // 0
    assert not notes.closed and notes.told == [1]
    assert not any(thread.name == "nvc-writing" for thread in threading.enumerate())
