"""``nvc-prepare``: a folder of videos, or of labelled clips and photos, becomes a training pack."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from enum import Enum
from pathlib import Path

import numpy as np
import torch

from nvc.models import zoo
from nvc.training import cutting, packing, teacher
from nvc.training.own_labels import OwnLabeller

Label = Callable[[np.ndarray], np.ndarray | None]

EXIT_IO, EXIT_USAGE = 1, 2


class Labeller(Enum):
    """Who labels clips."""

    TEACHER = "teacher"
    OWN = "own"


def build_parser() -> argparse.ArgumentParser:
    """Options of nvc-prepare."""
    parser = argparse.ArgumentParser(prog="nvc-prepare", description=__doc__)
    parser.add_argument("folders", nargs="+", type=Path, help="square clips NAME.mp4, each beside its labels NAME.npz")
    parser.add_argument("-o", "--out", type=Path, required=True, help="folder of the pack")
    parser.add_argument("--side", type=int, default=256, help="picture side in pixels (default 256)")
    parser.add_argument(
        "--key-every", type=int, default=5, help="one frame in this many is also coded as a key picture"
    )
    parser.add_argument("--qp", default="26:42", help="range of the key pictures' H.264 QP (default 26:42)")
    parser.add_argument(
        "--cut",
        action="store_true",
        help="the folders hold videos of any size: find the faces, cut square clips into OUT/clips/FOLDER, use those",
    )
    rules = cutting.CutRules()
    parser.add_argument(
        "--least-side", type=int, default=rules.least_side, help="--cut: smallest square in pixels of the video"
    )
    parser.add_argument("--least-frames", type=int, default=rules.least_frames, help="--cut: shortest clip")
    parser.add_argument("--most-frames", type=int, default=rules.most_frames, help="--cut: longest clip")
    parser.add_argument(
        "--label",
        nargs="?",
        const=Labeller.TEACHER.value,
        choices=[labeller.value for labeller in Labeller],
        help="first label clips that have none: with the teacher (MediaPipe), or with our own motion network",
    )
    parser.add_argument("--face", type=Path, help="--label own: .npz with the mean face, array 'mean' [478, 3]")
    parser.add_argument("--model", default=zoo.DEFAULT_MODEL, help="--label own: whose motion network (%(default)s)")
    parser.add_argument("--seed", type=int, default=0)
    return parser


def labeller_of(args: argparse.Namespace) -> Label:
    """What labels a clip's frames, as `nvc.training.teacher.label_clip` does."""
    if args.label == Labeller.TEACHER.value:
        return teacher.label_clip
    if args.face is None:
        raise ValueError("--label own needs --face, the mean face that labels are relative to")
    with np.load(args.face) as arrays:
        mean = torch.from_numpy(arrays["mean"].astype(np.float32))
    return OwnLabeller(zoo.load(args.model), mean).label_clip


def label_folder(folder: Path, side: int, label: Label) -> int:
    """Label the clips of a folder that have no labels yet; returns how many were labelled."""
    done = 0
    for path in sorted(folder.glob("*.mp4")):
        if path.with_suffix(".npz").exists():
            continue
        landmarks = label(packing.clip_frames(path, side))
        if landmarks is None:
            print(f"{path.name}: a frame without a face, left out", file=sys.stderr)
            continue
        teacher.save_labels(path.with_suffix(".npz"), landmarks)
        done += 1
    return done


def cut_folders(args: argparse.Namespace) -> list[Path]:
    """Cut the videos of all folders; returns the folders of their clips."""
    rules = cutting.CutRules(args.least_side, args.least_frames, args.most_frames)
    cut = []
    for folder in args.folders:
        cut.append(args.out / "clips" / folder.resolve().name)
        cutting.cut_folder(
            folder, cut[-1], side=args.side, rules=rules,
            report=lambda path, clips: print(f"{path.name}: {clips} clips", file=sys.stderr),
        )  # fmt: skip
    return cut


def main(argv: list[str] | None = None) -> int:
    """Run; returns the exit code."""
    args = build_parser().parse_args(argv)
    try:
        low, high = (int(part) for part in args.qp.split(":"))
        label = labeller_of(args) if args.label else None
        folders = cut_folders(args) if args.cut else args.folders
        if label is not None:
            for folder in folders:
                print(f"{folder}: {label_folder(folder, args.side, label)} clips labelled", file=sys.stderr)
        clips = packing.pack(
            folders, args.out, side=args.side, key_every=args.key_every, qp_range=(low, high), seed=args.seed,
            report=lambda clip: print(f"{clip.name}: {clip.count} frames", file=sys.stderr),
        )  # fmt: skip
    except OSError as error:
        print(f"nvc-prepare: {error}", file=sys.stderr)
        return EXIT_IO
    except ValueError as error:
        print(f"nvc-prepare: {error}", file=sys.stderr)
        return EXIT_USAGE
    print(f"{args.out}: {len(clips)} clips, {sum(c.count for c in clips)} frames", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
