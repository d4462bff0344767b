"""nvc-demo: a talking head coded at a few kbit/s, beside the original and x264. Nothing is downloaded."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

from nvc.cli.exits import run

FRAME_RATE = 25


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code, as of `nvc.cli.exits.Exit`."""
    options = _parser().parse_args(arguments)
    return run("nvc-demo", lambda: _run(options))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="nvc-demo", description="Code a made talking-head clip and compare with x264."
    )
    parser.add_argument("-o", "--output", type=Path, default=Path("demo"), help="folder to write to (default: demo)")
    parser.add_argument("--seconds", type=float, default=8.0, help="length of the clip (default: 8)")
    parser.add_argument("--point", default="default", help="3 (kbit/s), q5 (quality) or default")
    return parser


def _run(options: argparse.Namespace) -> None:
    from benchmarks.captions import write_moments
    from benchmarks.clips import Clip, write_playable
    from benchmarks.nvc_codec import NvcPoint
    from benchmarks.showcase import show, write_side_by_side
    from nvc.demo import make_clip

    folder: Path = options.output
    point = NvcPoint.parse(options.point)
    folder.mkdir(parents=True, exist_ok=True)
    print("making the clip: a head that turns, nods, blinks and speaks, from a public-domain portrait", flush=True)
    clip = Clip("astronaut", make_clip(seconds=options.seconds, frame_rate=FRAME_RATE), Fraction(FRAME_RATE))
    write_playable(clip, folder / "original.mp4")
    print(f"coding {len(clip.frames)} frames with nvc and x264", flush=True)
    showcase = show(clip, point, keep=folder / "astronaut.nvc")
    write_side_by_side(showcase, folder / "side-by-side.mp4")
    last = len(clip.frames) - 1
    moments = sorted({last // 8, last * 3 // 8, last * 5 // 8, last * 7 // 8})
    write_moments(showcase.columns(), folder / "side-by-side.png", moments=moments)
    print(f"\n{showcase.as_text()}\n\nlook at:")
    for name in ("side-by-side.mp4", "side-by-side.png", "original.mp4", "astronaut.nvc"):
        print(f"  {folder / name}")


if __name__ == "__main__":
    sys.exit(main())
