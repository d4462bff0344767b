"""nvc-train with the tiny presets of the paper and prior models: what tests start as a process of its own."""

from __future__ import annotations

import sys

from paper_standins import register_tiny_presets

from nvc.cli import train

if __name__ == "__main__":
    register_tiny_presets()
    sys.exit(train.main(sys.argv[1:]))
