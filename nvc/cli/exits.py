"""Exit codes, and how an error becomes one line and one of them."""

from __future__ import annotations

import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import IntEnum
from types import FrameType

from bitstream import BitstreamError, ModelMismatch, Unsupported


class Exit(IntEnum):
    """How a command ended."""

    OK = 0
    IO = 1  # a file cannot be read or written
    USAGE = 2  # options that make no sense, or not for this input
    INVALID = 3  # not a valid stream, or a truncated one
    UNSUPPORTED = 4  # a version, profile or model that is not here
    DEVICE = 5  # no such device, or not enough memory on it
    INTERRUPTED = 130


def run(program: str, command: Callable[[], None], *, debug: bool = False) -> int:
    """Run a command; what it raises is told in one line on standard error. ``debug`` shows where it came from."""
    try:
        with _polite_end():
            command()
    except KeyboardInterrupt:
        print(f"{program}: interrupted", file=sys.stderr)
        return Exit.INTERRUPTED
    except Exception as error:
        code = exit_of(error)
        if code is None:
            raise
        if debug:
            traceback.print_exc()
        print(f"{program}: {one_line(error)}", file=sys.stderr)
        return code
    return Exit.OK


def exit_of(error: Exception) -> Exit | None:
    """The exit code for an error, None for one that only a mistake in the program can raise."""
    if isinstance(error, BitstreamError):
        return Exit.UNSUPPORTED if isinstance(error, (Unsupported, ModelMismatch)) else Exit.INVALID
    names = {kind.__name__ for kind in type(error).__mro__}  # by name, so that nothing need be imported for it
    if "WeightsError" in names:
        return Exit.UNSUPPORTED
    if names & {"DeviceUnavailable", "OutOfMemoryError", "AcceleratorError", "MemoryError"}:
        return Exit.DEVICE
    if isinstance(error, OSError):
        return Exit.IO
    if isinstance(error, (ValueError, ImportError)):
        return Exit.USAGE
    return None


def one_line(error: Exception) -> str:
    """The message of an error on one line."""
    if isinstance(error, OSError) and error.strerror and error.errno is not None:
        place = f": {error.filename}" if error.filename else ""
        return f"{error.strerror}{place}".replace("\n", " ")
    return " ".join(str(error).split()) or type(error).__name__


@contextmanager
def _polite_end() -> Iterator[None]:
    """Let a request to terminate unwind the program, so that temporary files are removed."""

    def leave(number: int, frame: FrameType | None) -> None:
        sys.exit(128 + number)

    if threading.current_thread() is not threading.main_thread():  # only that one may handle signals
        yield
        return
    before = signal.signal(signal.SIGTERM, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
