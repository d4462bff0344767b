"""The figure of `benchmarks.transforms`: keypoint distance of face and mouth against bytes a frame."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
from matplotlib.ticker import FixedLocator, FormatStrFormatter, NullLocator

from benchmarks.transform_coding import Curve, curves

_COLOURS = {
    Curve.KEYPOINTS: "#d55e00",
    Curve.LANDMARKS: "#0072b2",
    Curve.CODE: "#009e73",
    Curve.BOTH: "#cc79a7",
    Curve.REBUILT: "#000000",
}
_PANELS = (("akd", "AKD, pixels at side 256"), ("akd_m", "AKD-M (mouth), pixels at side 256"))


def draw_figure(result: dict[str, Any], path: Path) -> None:
    """Write ``path`` with suffixes .svg and .png from the JSON of `benchmarks.transforms`."""
    with matplotlib.rc_context({"svg.hashsalt": "nvc", "svg.fonttype": "none"}):
        figure, panels = plt.subplots(1, 2, figsize=(11, 4.6))
        lines = curves(result["points"])
        for axes, (metric, label) in zip(panels, _PANELS, strict=True):
            for curve in Curve:
                line = lines.get(curve.value, [])
                x, y = [p["bytes_per_frame"] for p in line], [p[metric] for p in line]
                axes.plot(x, y, "o-", color=_COLOURS[curve], label=curve.value, markersize=4)
            axes.axhline(result["still"][metric], color="#777777", linestyle=":", label="key picture repeated")
            axes.set_yscale("log")  # the variants are several times apart
            axes.yaxis.set_major_locator(FixedLocator([1, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10, 12]))
            axes.yaxis.set_major_formatter(FormatStrFormatter("%g"))
            axes.yaxis.set_minor_locator(NullLocator())
            axes.set_xlabel("bytes a frame, motion units only")
            axes.set_ylabel(label)
            axes.grid(alpha=0.3)
        figure.legend(*panels[0].get_legend_handles_labels(), loc="lower center", ncols=2, fontsize=9, frameon=False)
        figure.suptitle(_budget(result), fontsize=9)
        figure.tight_layout(rect=(0, 0.17, 1, 0.98))
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path.with_suffix(".svg"), metadata={"Date": None})
        figure.savefig(path.with_suffix(".png"), dpi=110)
        plt.close(figure)


def _budget(result: dict[str, Any]) -> str:
    spent = [
        f"{name}: {run['pictures']} pictures in {run['cpu_minutes']:.1f} CPU minutes"
        for name, run in result["training"].items()
    ]
    return "Trained from nothing, 128 pixels. " + "; ".join(spent)
