"""What the commands share towards the terminal: common options, progress, standard input and output."""

from __future__ import annotations

import argparse
import json
import logging
import os
import shutil
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from nvc.output import new_file
from nvc.version import VERSION

STANDARD = "-"


def add_common_options(parser: argparse.ArgumentParser) -> None:
    """Options of every command that writes a file."""
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N (default: auto)")
    parser.add_argument("--stats", metavar="FILE", help="write what it took as JSON: bytes, times, frame sizes")
    parser.add_argument("-f", "--force", action="store_true", help="overwrite files that exist")
    parser.add_argument("-q", "--quiet", action="store_true", help="say nothing but errors")
    parser.add_argument("-v", "--verbose", action="store_true", help="say more")
    parser.add_argument("--debug", action="store_true", help="show where an error came from")
    parser.add_argument("--version", action="version", version=f"%(prog)s {VERSION}")


class Console:
    """Messages and progress on standard error; a progress bar on a terminal only."""

    def __init__(self, program: str, *, quiet: bool, verbose: bool) -> None:
        self.program = program
        self._quiet = quiet
        self._verbose = verbose
        self._bars = not quiet and sys.stderr.isatty()
        self._bar: Any = None
        self._stage = ""
        level = logging.ERROR if quiet else logging.WARNING
        logging.basicConfig(format=f"{program}: %(message)s", level=level)

    def progress(self, stage: str, done: int, total: int | None) -> None:
        """The callback of `encode_file` and `decode_file`."""
        if not self._bars:
            return
        if stage != self._stage:
            from tqdm import tqdm

            self.close()
            self._stage = stage
            self._bar = tqdm(total=total, desc=stage, unit=" frames", leave=False, file=sys.stderr)
        self._bar.update(done - self._bar.n)

    def close(self) -> None:
        """Take the progress bar away."""
        if self._bar is not None:
            self._bar.close()
        self._bar, self._stage = None, ""

    def say(self, text: str) -> None:
        """A line for people."""
        if not self._quiet:
            print(f"{self.program}: {text}", file=sys.stderr)

    def detail(self, text: str) -> None:
        """A line for those who asked for more."""
        if self._verbose:
            print(f"{self.program}: {text}", file=sys.stderr)

    def warn(self, warnings: Iterable[str]) -> None:
        """Lines that should be seen."""
        for warning in warnings:
            self.say(f"warning: {warning}")


def check_outputs(parser: argparse.ArgumentParser, *names: str | None) -> None:
    """End with a usage error when one file is to be written twice, or bytes to a terminal."""
    paths = [os.path.abspath(name) for name in names if name and name != STANDARD]
    if len(set(paths)) < len(paths):
        parser.error("two outputs cannot be the same file")
    if STANDARD in names and sys.stdout.isatty():
        parser.error("standard output is a terminal: redirect it, or give a file with -o")


@contextmanager
def input_path(name: str) -> Iterator[Path]:
    """The input as a file that can be read more than once; ``-`` is standard input."""
    if name != STANDARD:
        yield Path(name)
        return
    with tempfile.TemporaryDirectory(prefix="nvc-") as folder:
        path = Path(folder) / "standard-input"
        with open(path, "wb") as file:
            shutil.copyfileobj(sys.stdin.buffer, file)
        yield path


def output_of(name: str) -> str | BinaryIO:
    """The output's name, or standard output for ``-``."""
    return sys.stdout.buffer if name == STANDARD else name


def write_stats(name: str | None, stats: dict[str, Any], *, force: bool) -> None:
    """Write statistics as JSON, if a file was named."""
    if name is None:
        return
    with new_file(name, force=force) as path:
        path.write_text(json.dumps(stats, indent=1) + "\n", encoding="utf-8")
