"""``nvc-prepare``: labelled clips and photos become a training pack."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from nvc.training import packing, teacher

EXIT_IO, EXIT_USAGE = 1, 2


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
    parser.add_argument("--label", action="store_true", help="first label clips that have none, with the teacher")
    parser.add_argument("--seed", type=int, default=0)
    return parser


def label_folder(folder: Path, side: int) -> int:
    """Label the clips of a folder that have no labels yet; returns how many were labelled."""
    done = 0
    for path in sorted(folder.glob("*.mp4")):
        if path.with_suffix(".npz").exists():
            continue
        landmarks = teacher.label_clip(packing.clip_frames(path, side))
        if landmarks is None:
            print(f"{path.name}: a frame without a face, left out", file=sys.stderr)
            continue
        teacher.save_labels(path.with_suffix(".npz"), landmarks)
        done += 1
    return done


def main(argv: list[str] | None = None) -> int:
    """Run; returns the exit code."""
    args = build_parser().parse_args(argv)
    try:
        low, high = (int(part) for part in args.qp.split(":"))
        if args.label:
            for folder in args.folders:
                print(f"{folder}: {label_folder(folder, args.side)} clips labelled", file=sys.stderr)
        clips = packing.pack(
            args.folders, args.out, side=args.side, key_every=args.key_every, qp_range=(low, high), seed=args.seed,
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
