"""What a figure was measured with: machine and versions, for the JSON beside it."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

_PACKAGES = ("nvc", "torch", "numpy", "av", "constriction", "pytorch-msssim", "dlib-bin")


def describe_machine() -> dict[str, str | int]:
    """Processor, number of cores that this process may use, operating system, Python."""
    return {
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
    }


def describe_versions() -> dict[str, str]:
    """Versions of the packages that figures depend on, and of FFmpeg's codec library."""
    import av

    versions = {}
    for name in _PACKAGES:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            versions[name] = "not installed"
    versions["libavcodec"] = ".".join(str(part) for part in av.library_versions["libavcodec"])
    return versions


def _processor() -> str:
    information = Path("/proc/cpuinfo")
    if information.exists():
        for line in information.read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or "unknown"
