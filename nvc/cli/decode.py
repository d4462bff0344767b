"""nvc-decode: an .nvc file to a video."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from nvc.cli.console import Console, add_common_options, check_outputs, input_path, output_of, write_stats
from nvc.cli.exits import run
from nvc.cli.square import crop_of
from nvc.output import check_new

if TYPE_CHECKING:
    from nvc.transfer import Transfer

_EXITS = (
    "exit codes: 0 done, 1 cannot read or write, 2 usage, 3 not a valid file or a truncated one, "
    "4 another version, profile or model, 5 no such device or out of memory"
)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; returns the exit code."""
    parser = _parser()
    options = parser.parse_args(arguments)
    check_outputs(parser, options.output, options.stats)
    console = Console("nvc-decode", quiet=options.quiet, verbose=options.verbose)
    try:
        return run(console.program, lambda: _decode(options, console), debug=options.debug)
    finally:
        console.close()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="nvc-decode", description="Decode an .nvc file.", epilog=_EXITS)
    parser.add_argument("input", metavar="IN.nvc", help="the file; - is standard input")
    parser.add_argument(
        "-o",
        "--output",
        metavar="OUT",
        required=True,
        help="OUT.mkv (lossless), OUT.mp4 or OUT.y4m; - is YUV4MPEG on standard output",
    )
    parser.add_argument("--model", help="weights file to use, if it is the one that the file names")
    view = parser.add_argument_group("free view")
    for name, what in (("yaw", "left of the picture"), ("pitch", "down"), ("roll", "clockwise")):
        view.add_argument(f"--{name}", type=float, default=0.0, metavar="DEG", help=f"turn the head {what}")
    view.add_argument("--translate", type=_pair, default=(0.0, 0.0), metavar="X,Y", help="shift it, in half pictures")
    view.add_argument("--frontal", action="store_true", help="hold the head frontal while the expression plays")
    _add_transfer(parser)
    _add_editing(parser)
    add_common_options(parser)
    return parser


def _add_transfer(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("motion transfer (the output is marked as synthetic media)")
    group.add_argument("--source", metavar="IMAGE", help="drive this portrait instead of the person in the file")
    group.add_argument(
        "--transfer",
        choices=("absolute", "relative"),
        default="relative",
        help="pose and place as they are, or what changes of them (default: relative)",
    )
    group.add_argument(
        "--align",
        choices=("best", "first"),
        default="best",
        help="the portrait stands for the frame most like it, or for the first one (default: best)",
    )
    group.add_argument(
        "--source-crop",
        type=crop_of,
        default="auto",
        metavar="auto|none|X,Y,SIDE",
        help="look for the face, take a square portrait whole, or take this square (default: auto)",
    )


def _add_editing(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("expression (the output is marked as synthetic media)")
    group.add_argument(
        "--expression",
        metavar="NAME=AMOUNT,...",
        default="",
        help="set (=) or add (+=, -=) smile, jaw, pucker, brow, blink, blink_left, blink_right, gaze_x, gaze_y",
    )
    strength = group.add_mutually_exclusive_group()
    strength.add_argument("--neutralise", action="store_true", help="hold the face at rest while the head moves")
    strength.add_argument(
        "--exaggerate", type=float, default=1.0, metavar="FACTOR", help="strengthen expressions, 0 to 3"
    )


def _decode(options: argparse.Namespace, console: Console) -> None:
    if options.stats is not None:
        check_new(options.stats, force=options.force)
    from nvc.expression import ExpressionEdit
    from nvc.files import decode_file
    from nvc.view import View

    x, y = options.translate
    view = View(options.yaw, options.pitch, options.roll, x, y, options.frontal)
    strength = 0.0 if options.neutralise else options.exaggerate
    edit = ExpressionEdit.parse(options.expression, strength=strength)
    console.warn([*view.warnings(), *edit.warnings()])
    with input_path(options.input) as source:
        report = decode_file(
            source,
            output_of(options.output),
            model=options.model,
            device=options.device,
            view=None if view == View() else view,
            edit=None if edit == ExpressionEdit() else edit,
            transfer=_transfer(options),
            force=options.force,
            progress=console.progress,
        )
    console.close()
    write_stats(options.stats, report.to_json(), force=options.force)
    console.warn(report.warnings)
    for stage, seconds in report.seconds_by_stage.items():
        console.detail(f"{stage}: {1000 * seconds / max(1, report.frames):.1f} ms a frame")
    console.say(f"{options.output}: {report.summary()}")


def _transfer(options: argparse.Namespace) -> Transfer | None:
    if options.source is None:
        return None
    from nvc.transfer import Alignment, Transfer, TransferMode, read_portrait

    portrait = read_portrait(options.source, crop=options.source_crop)
    return Transfer(portrait, TransferMode(options.transfer), Alignment(options.align))


def _pair(text: str) -> tuple[float, float]:
    try:
        x, y = (float(part) for part in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not X,Y") from None
    return x, y


if __name__ == "__main__":
    sys.exit(main())
