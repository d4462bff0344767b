"""nvc-decode: an .nvc file to a video."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from nvc.cli.console import Console, add_common_options, check_outputs, input_path, output_of, write_stats
from nvc.cli.exits import run
from nvc.output import check_new

_EXITS = (
    "exit codes: 0 done, 1 cannot read or write, 2 usage, 3 not a valid file or a truncated one, "
    "4 another version, profile or model, 5 no such device or out of memory"
)
_FAR_YAW, _FAR_PITCH = 30.0, 20.0  # degrees beyond which much of the head would have to be invented


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
    add_common_options(parser)
    return parser


def _decode(options: argparse.Namespace, console: Console) -> None:
    if options.stats is not None:
        check_new(options.stats, force=options.force)
    from nvc.files import decode_file
    from nvc.view import View

    x, y = options.translate
    view = View(options.yaw, options.pitch, options.roll, x, y, options.frontal)
    if abs(options.yaw) > _FAR_YAW or abs(options.pitch) > _FAR_PITCH:
        console.warn([f"beyond {_FAR_YAW:g} degrees of yaw or {_FAR_PITCH:g} of pitch heads lose their likeness"])
    with input_path(options.input) as source:
        report = decode_file(
            source,
            output_of(options.output),
            model=options.model,
            device=options.device,
            view=None if view == View() else view,
            force=options.force,
            progress=console.progress,
        )
    console.close()
    write_stats(options.stats, report.to_json(), force=options.force)
    console.warn(report.warnings)
    for stage, seconds in report.seconds_by_stage.items():
        console.detail(f"{stage}: {1000 * seconds / max(1, report.frames):.1f} ms a frame")
    console.say(f"{options.output}: {report.summary()}")


def _pair(text: str) -> tuple[float, float]:
    try:
        x, y = (float(part) for part in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not X,Y") from None
    return x, y


if __name__ == "__main__":
    sys.exit(main())
