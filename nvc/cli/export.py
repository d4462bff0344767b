"""nvc-export: the networks as ONNX files."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from nvc.cli.exits import run
from nvc.version import VERSION


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; returns the exit code."""
    options = _parser().parse_args(arguments)
    return run("nvc-export", lambda: _export(options), debug=options.debug)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="nvc-export",
        description="Write the motion estimator, the appearance network and the per-frame decoder as ONNX files.",
    )
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="FOLDER", help="made if it is not there")
    parser.add_argument("--model", default="lite-256", help="a shipped model or a weights file (default: lite-256)")
    parser.add_argument("-f", "--force", action="store_true", help="write into a folder that is not empty")
    parser.add_argument("--debug", action="store_true", help="show where an error came from")
    parser.add_argument("--version", action="version", version=f"%(prog)s {VERSION}")
    return parser


def _export(options: argparse.Namespace) -> None:
    from nvc.export import export
    from nvc.models import zoo
    from nvc.output import OutputExists

    model = zoo.load(options.model)
    folder: Path = options.output
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()) and not options.force:
        raise OutputExists(f"output {folder} is not empty; use -f to write into it")
    for path in export(model, folder):
        print(f"{path}: {path.stat().st_size} bytes")


if __name__ == "__main__":
    sys.exit(main())
