"""nvc-encode: a video of a talking head to an .nvc file."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from nvc.cli.console import Console, add_common_options, check_outputs, input_path, output_of, write_stats
from nvc.cli.exits import run
from nvc.cli.square import crop_of
from nvc.output import check_new

_EXITS = "exit codes: 0 done, 1 cannot read or write, 2 usage, 4 no such model, 5 no such device or out of memory"


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; returns the exit code."""
    parser = _parser()
    options = parser.parse_args(arguments)
    check_outputs(parser, options.output, options.stats)
    console = Console("nvc-encode", quiet=options.quiet, verbose=options.verbose)
    try:
        return run(console.program, lambda: _encode(options, console), debug=options.debug)
    finally:
        console.close()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="nvc-encode", description="Encode a video of a talking head.", epilog=_EXITS)
    parser.add_argument("input", metavar="IN", help="a video file; - is standard input")
    parser.add_argument("-o", "--output", metavar="OUT.nvc", required=True, help="file to write; - is standard output")
    rate = parser.add_mutually_exclusive_group()
    rate.add_argument("--bitrate", type=_positive, metavar="KBPS", help="kbit/s to stay within, audio not counted")
    rate.add_argument(
        "--quality", type=int, choices=range(10), metavar="0..9", help="0 smallest to 9 best (default: 5)"
    )
    parser.add_argument(
        "--tune", choices=("perceptual", "psnr"), default="perceptual", help="what to work for (default: perceptual)"
    )
    parser.add_argument(
        "--preset", choices=("fast", "medium", "slow"), default="medium", help="time for decisions (default: medium)"
    )
    parser.add_argument(
        "--min-quality",
        type=_positive,
        metavar="SCORE",
        help="score that no frame should be below: up to 100, or dB with --tune psnr",
    )
    parser.add_argument(
        "--live", action="store_true", help="one pass as for a call, through a line of --bitrate; needs a --crop"
    )
    parser.add_argument(
        "--vbv-ms", type=_positive, metavar="MS", help="with --live, longest wait for the line (default: 1000)"
    )
    parser.add_argument(
        "--crop",
        type=crop_of,
        default="auto",
        metavar="auto|none|X,Y,SIDE",
        help="follow the face, take a square video whole, or take this square (default: auto)",
    )
    parser.add_argument(
        "--keyint", type=_positive, metavar="SEC", help="longest distance of key frames (default: only where needed)"
    )
    parser.add_argument("--model", default=None, help="a model's name or weights file (default: lite-256)")
    parser.add_argument(
        "--sources",
        type=int,
        choices=range(1, 5),
        default=4,
        metavar="1..4",
        help="key pictures that the receiver holds at a time: with one, nothing returns to an earlier one (default: 4)",
    )
    parser.add_argument("--no-audio", action="store_true", help="leave the audio out")
    parser.add_argument("--error-resilient", action="store_true", help="make units independent of lost ones")
    parser.add_argument("--synthetic", action="store_true", help="mark the file as synthetic media")
    parser.add_argument(
        "--motion-rdo",
        type=_strength,
        default=None,
        metavar="0..4",
        help="rate-distortion optimised motion: 0 sends every movement, more saves more bits (default: 0.4)",
    )
    add_common_options(parser)
    return parser


def _encode(options: argparse.Namespace, console: Console) -> None:
    if options.stats is not None:
        check_new(options.stats, force=options.force)
    from nvc.files import encode_file
    from nvc.models import zoo

    with input_path(options.input) as source:
        report = encode_file(
            source,
            output_of(options.output),
            bitrate=None if options.bitrate is None else 1000 * options.bitrate,
            quality=options.quality,
            crop=options.crop,
            keyint=options.keyint,
            model=options.model or zoo.DEFAULT_MODEL,
            device=options.device,
            audio=not options.no_audio,
            error_resilient=options.error_resilient,
            synthetic=options.synthetic,
            tune=options.tune,
            preset=options.preset,
            min_quality=options.min_quality,
            live=options.live,
            **({} if options.vbv_ms is None else {"vbv_ms": options.vbv_ms}),
            sources=options.sources,
            **({} if options.motion_rdo is None else {"motion_rdo": options.motion_rdo}),
            force=options.force,
            progress=console.progress,
        )
    console.close()
    write_stats(options.stats, report.to_json(), force=options.force)
    console.warn(report.warnings)
    for index, reason in report.statistics.key_frames:
        console.detail(f"key frame {index}: {reason}")
    console.detail(f"{report.point}")
    console.say(f"{options.output}: {report.summary()}")


def _positive(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number above 0")
    return value


def _strength(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 4:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 0 to 4")
    return value


if __name__ == "__main__":
    sys.exit(main())
