"""nvc-bench: rate-distortion runs, their report, and speed. Argument parsing and nothing else."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from nvc.cli.exits import Exit, run


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code: 1 when a job failed, else as of `Exit`."""
    options = _parser().parse_args(arguments)
    os.environ.setdefault("SVT_LOG", "1")  # SVT-AV1 writes to the terminal by itself; 1 is errors only
    failed: list[int] = []
    code = run("nvc-bench", lambda: failed.append(options.run(options)))
    return code or max(failed, default=0)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="nvc-bench", description="Benchmarks of nvc and of conventional codecs.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_rd(commands)
    _add_report(commands)
    _add_speed(commands)
    return parser


def _add_rd(commands: argparse._SubParsersAction) -> None:
    rd = commands.add_parser("rd", help="measure rate and quality, one JSON file a clip, codec and point")
    rd.add_argument("clips", nargs="+", type=Path, metavar="CLIP", help="square video files, coded as they are")
    rd.add_argument("-o", "--output", type=Path, default=Path("results"), help="folder of results (default: results)")
    rd.add_argument(
        "--codecs", default="nvc,x264", help="comma-separated; all, anchors; 'list' prints them (default: nvc,x264)"
    )
    rd.add_argument("--rates", default="default", help="nvc's points: 3 (kbit/s), q5 (quality) or default, with commas")
    rd.add_argument("--model", help="nvc's model: a name or weights file (default: lite-256)")
    rd.add_argument("--frames", type=_positive, default=250, help="first so many frames of each clip (default: 250)")
    rd.add_argument("--perceptual-weights", type=Path, metavar="FILE", help="SqueezeNet 1.0 (.npz, .safetensors): sqp")
    rd.add_argument(
        "--lpips", nargs=3, metavar=("alex|vgg", "WEIGHTS", "LINEAR"), help="also LPIPS, with its published weights"
    )
    rd.add_argument("--dists", nargs=2, metavar=("VGG", "WEIGHTS"), help="also DISTS, with its published weights")
    rd.add_argument("--vmaf", action="store_true", help="also VMAF, by an ffmpeg with libvmaf on PATH")
    rd.add_argument("--no-faces", action="store_true", help="leave out landmark and identity measurements")
    rd.add_argument("--videos", type=Path, metavar="FOLDER", help="keep playable videos there, for sheets and players")
    rd.add_argument("--quick", action="store_true", help="25 frames and two points a conventional codec")
    rd.add_argument("--workers", type=_positive, default=1, help="jobs at a time (default: 1)")
    rd.add_argument("--timeout", type=float, default=1800.0, metavar="SECONDS", help="limit of one job (default: 1800)")
    rd.add_argument("--redo", default="", metavar="CODECS", help="measure these again, say after training: nvc")
    rd.add_argument("--executor", choices=("processes", "ray"), default="processes", help="where jobs run")
    rd.set_defaults(run=_run_rd)


def _add_report(commands: argparse._SubParsersAction) -> None:
    report = commands.add_parser("report", help="turn results into curves, tables and one HTML page")
    report.add_argument("results", nargs="+", type=Path, metavar="FOLDER", help="folders of 'nvc-bench rd'")
    report.add_argument("-o", "--output", type=Path, help="where to write (default: FOLDER/report)")
    report.add_argument("--videos", type=Path, metavar="FOLDER", help="videos that 'nvc-bench rd --videos' kept")
    report.set_defaults(run=_run_report)


def _add_speed(commands: argparse._SubParsersAction) -> None:
    speed = commands.add_parser("speed", help="frames a second, first-frame delay and memory")
    speed.add_argument("clip", type=Path, metavar="CLIP", help="a square video file")
    speed.add_argument("-o", "--output", type=Path, help="write JSON there")
    speed.add_argument("--frames", type=_positive, default=100, help="first so many frames (default: 100)")
    speed.add_argument("--threads", default="1,2", help="thread counts, with commas (default: 1,2)")
    speed.add_argument("--devices", default="cpu", help="with commas: cpu, cuda (default: cpu)")
    speed.add_argument(
        "--models",
        default="lite-256",
        help="with commas: names or files, such as lite-256,paper-256 (default: lite-256)",
    )
    speed.add_argument("--repeats", type=_positive, default=3, help="runs, of which the median counts (default: 3)")
    speed.set_defaults(run=_run_speed)


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{value} is not positive")
    return value


def _run_rd(options: argparse.Namespace) -> int:
    """1 when a job failed, else 0; so the others."""
    from benchmarks import rd
    from benchmarks.anchors import ANCHORS
    from benchmarks.extra_metrics import ExtraMetrics
    from benchmarks.pool import Executor

    if options.codecs == "list":
        print("\n".join([rd.NVC, *ANCHORS, *rd.GROUPS]))
        return Exit.OK
    jobs = rd.plan(
        options.clips,
        options.codecs.split(","),
        rates=options.rates.split(","),
        frames=options.frames,
        perceptual_weights=options.perceptual_weights,
        faces=not options.no_faces,
        videos=options.videos,
        model=options.model,
        extra=ExtraMetrics(
            lpips=tuple(options.lpips) if options.lpips else None,
            dists=tuple(options.dists) if options.dists else None,
            vmaf=options.vmaf,
        ),
        quick=options.quick,
    )
    counts = rd.run(
        jobs,
        options.output,
        executor=Executor(options.executor),
        workers=options.workers,
        timeout=options.timeout,
        redo=options.redo.split(","),
    )
    print(", ".join(f"{count} {what}" for what, count in counts.items()) + f"; results in {options.output}")
    return Exit.IO if counts["failed"] else Exit.OK


def _run_report(options: argparse.Namespace) -> int:
    from benchmarks.report import write_report

    output = options.output or options.results[0] / "report"
    print(write_report(options.results, output, videos=options.videos))
    return Exit.OK


def _run_speed(options: argparse.Namespace) -> int:
    from benchmarks import speed

    result = speed.measure_speed(
        options.clip,
        frames=options.frames,
        threads=[int(count) for count in options.threads.split(",")],
        devices=options.devices.split(","),
        models=options.models.split(","),
        repeats=options.repeats,
    )
    print(speed.as_text(result))
    if options.output is not None:
        speed.save(result, options.output)
    return Exit.OK


if __name__ == "__main__":
    sys.exit(main())
