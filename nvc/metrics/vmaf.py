"""VMAF by an ffmpeg program with libvmaf, where one is on PATH."""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
from pathlib import Path

from torch import Tensor

from nvc.metrics.errors import MetricUnavailable
from nvc.metrics.frames import Frames, as_pair

_FILTER_TIMEOUT = 600  # seconds


def vmaf_available() -> bool:
    """Whether an ffmpeg with the libvmaf filter is on PATH."""
    program = shutil.which("ffmpeg")
    if program is None:
        return False
    listing = subprocess.run([program, "-hide_banner", "-filters"], capture_output=True, text=True, timeout=60)
    return "libvmaf" in listing.stdout


def vmaf(original: Frames, decoded: Frames, *, frame_rate: float = 25.0) -> float:
    """VMAF (Netflix, libvmaf's default model) over the clip, 0..100; higher is better.

    Raises `MetricUnavailable` without an ffmpeg that has libvmaf, or when that program fails.
    """
    first, second = as_pair(original, decoded)
    if not vmaf_available():
        raise MetricUnavailable("VMAF needs an ffmpeg with libvmaf on PATH")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        inputs: list[str] = []
        for label, clip in (("decoded", second), ("original", first)):  # libvmaf wants the distorted clip first
            _write_raw(folder / label, clip)
            inputs += ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{clip.shape[3]}x{clip.shape[2]}"]
            inputs += ["-r", str(frame_rate), "-i", label]
        graph = "[0:v]format=yuv420p[d];[1:v]format=yuv420p[o];[d][o]libvmaf=log_fmt=json:log_path=log.json"
        command = ["ffmpeg", "-v", "error", *inputs, "-lavfi", graph, "-f", "null", "-"]
        run = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=_FILTER_TIMEOUT)
        if run.returncode:
            raise MetricUnavailable(f"ffmpeg could not compute VMAF: {run.stderr.strip()[-300:]}")
        log = json.loads((folder / "log.json").read_text())
    return float(log["pooled_metrics"]["vmaf"]["mean"])


def _write_raw(path: Path, clip: Tensor) -> None:
    path.write_bytes(clip.permute(0, 2, 3, 1).contiguous().numpy().tobytes())
