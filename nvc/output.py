"""Files that appear whole or not at all, and never in the place of another unless asked."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class OutputExists(FileExistsError, ValueError):
    """The output is there already and may not be replaced."""


def check_new(path: str | os.PathLike[str], *, force: bool = False) -> None:
    """Raise OutputExists or IsADirectoryError when :func:`new_file` would."""
    target = Path(path)
    if target.is_dir():
        raise IsADirectoryError(f"output {target} is a folder")
    if target.is_file() and not force:
        raise OutputExists(f"output {target} exists; use -f to overwrite it")


@contextmanager
def new_file(path: str | os.PathLike[str], *, force: bool = False) -> Iterator[Path]:
    """A temporary path beside ``path`` to write to; renamed to ``path`` at the end, removed after an exception.

    It keeps the suffix of ``path``. What is not a regular file (a pipe, a device) is written in place. Raises
    OutputExists when ``path`` exists and ``force`` is not set, OSError when its folder cannot be written.
    """
    target = Path(path)
    check_new(target, force=force)
    if target.exists() and not stat.S_ISREG(target.stat().st_mode):
        yield target
        return
    temporary = target.with_name(f".{target.stem}.{os.getpid()}.part{target.suffix}")
    try:
        # Fails at once where nothing can be written, rather than after minutes of work.
        with open(temporary, "xb"):
            pass
    except OSError as error:
        raise type(error)(error.errno, f"cannot write {target}: {error.strerror}") from None
    try:
        yield temporary
        if target.exists() and not force:
            raise OutputExists(f"output {target} appeared meanwhile; use -f to overwrite it")
        os.replace(temporary, target)
    finally:
        temporary.unlink(missing_ok=True)
