"""README's picture: frames of the demo clip beside what nvc makes of them, and the figures in its caption.

    python -m benchmarks.readme_picture

Writes docs/demo.png, benchmarks/results/readme.json and the block of README that shows them; tests/test_readme.py
holds README to that JSON.
"""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

from benchmarks.captions import write_moments
from benchmarks.clips import Clip
from benchmarks.machine import describe_versions
from benchmarks.nvc_codec import NvcPoint
from benchmarks.rd import write_json
from benchmarks.showcase import show
from nvc.demo import make_clip

ROOT = Path(__file__).resolve().parent.parent
PICTURE = ROOT / "docs" / "demo.png"
FIGURES = ROOT / "benchmarks" / "results" / "readme.json"
README = ROOT / "README.md"
START, END = "<!-- picture: written by benchmarks/readme_picture.py -->\n", "<!-- end of picture -->"
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
    README.write_text(with_block(README.read_text(), block(figures)))
    print(showcase.as_text())


def block(figures: dict[str, Any]) -> str:
    """The picture and its caption in Markdown, from the figures."""
    title = "Frames of the demo clip: original, nvc, and x264 at its lowest rate"
    return (
        f"![{title}](docs/demo.png)\n\n"
        f"*The demo clip ({figures['frames']} frames): nvc at **{figures['nvc_kbps']:.1f} kbit/s** (every byte of the "
        f"file), x264 at the lowest rate it has, {figures['x264_kbps']:.1f} kbit/s. Made by `make demo`.*\n\n"
    )


def with_block(readme: str, text: str, *, start: str = START, end: str = END) -> str:
    """README with the text between two marks. Raises `ValueError` when it has none."""
    before, mark, rest = readme.partition(start)
    _, closing, after = rest.partition(end)
    if not mark or not closing:
        raise ValueError(f"README has lost the mark {start.strip() if not mark else end}")
    return f"{before}{start}\n{text}{end}{after}"


if __name__ == "__main__":
    main()
