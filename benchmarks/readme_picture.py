"""README's picture: frames of the demo clip beside what nvc makes of them, and the figures in its caption.

    python -m benchmarks.readme_picture

Writes docs/demo.png and benchmarks/results/readme.json; tests/test_readme.py holds README to that JSON.
"""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

from benchmarks.clips import Clip
from benchmarks.machine import describe_versions
from benchmarks.nvc_codec import NvcPoint
from benchmarks.rd import write_json
from benchmarks.showcase import show, write_moments
from nvc.demo import make_clip

ROOT = Path(__file__).resolve().parent.parent
PICTURE = ROOT / "docs" / "demo.png"
FIGURES = ROOT / "benchmarks" / "results" / "readme.json"
MOMENTS = (17, 72, 112)  # speaking, blinking, nodding


def main() -> None:
    """Make the picture and the figures."""
    clip = Clip("astronaut", make_clip(), Fraction(25))
    showcase = show(clip, NvcPoint())
    PICTURE.parent.mkdir(exist_ok=True)
    write_moments(showcase.columns(), PICTURE, moments=MOMENTS)
    figures = {
        "frames": len(clip.frames),
        "nvc_bytes": showcase.nvc.size,
        "nvc_bytes_by_unit": showcase.nvc.bytes_by_unit,
        "nvc_kbps": clip.kbps(showcase.nvc.size),
        "x264_bytes": showcase.x264.size,
        "x264_kbps": clip.kbps(showcase.x264.size),
        "versions": describe_versions(),
    }
    write_json(FIGURES, figures)
    print(showcase.as_text())


if __name__ == "__main__":
    main()
