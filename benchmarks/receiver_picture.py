"""The picture of what a receiver may ask for: one key picture of the public-domain demo portrait, drawn in many ways.

python -m benchmarks.receiver_picture docs/receiver.png
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import torch

from benchmarks.clips import Clip, write_lossless
from benchmarks.one_key import KeyedClip, Studio, write_sheet
from nvc.demo import make_clip
from nvc.expression import ControlSpace, ExpressionEdit, ExpressionEditor
from nvc.models import zoo
from nvc.pose import HeadMotion
from nvc.view import View

WISHES: tuple[tuple[str, View, str], ...] = (
    ("as coded", View(), ""),
    ("yaw -25", View(yaw=-25), ""),
    ("yaw 25", View(yaw=25), ""),
    ("pitch -12", View(pitch=-12), ""),
    ("roll 15", View(roll=15), ""),
    ("jaw+=0.8", View(), "jaw+=0.8"),
    ("brow+=1", View(), "brow+=1"),
    ("blink+=1", View(), "blink+=1"),
    ("pucker+=1", View(), "pucker+=1"),
)


def wished(clip: KeyedClip, space: ControlSpace) -> HeadMotion:
    """The key picture's head, once for every wish."""
    heads = []
    for _, view, text in WISHES:
        editor = ExpressionEditor(ExpressionEdit.parse(text), space, clip.motion.expression[0])
        heads.append(view.apply(editor.apply(clip.motion[:1])).vector())
    return HeadMotion.from_vector(torch.cat(heads))


def main(arguments: Sequence[str] | None = None) -> int:
    """Draw and write."""
    (target,) = sys.argv[1:] if arguments is None else arguments
    studio = Studio(zoo.load())
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "astronaut.mkv"
        write_lossless(Clip("astronaut", make_clip(seconds=0.04), Fraction(25)), path)
        clip = studio.key(path)
    pictures = studio.draw(clip.prepared, wished(clip, ControlSpace.of(studio.model)))
    columns = [("original", [clip.frames[0]])]
    columns += [(name, [picture]) for (name, _, _), picture in zip(WISHES, pictures, strict=True)]
    write_sheet(columns, Path(target))
    return 0


if __name__ == "__main__":
    sys.exit(main())
