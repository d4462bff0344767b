"""The version of this package, from its metadata."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

try:
    VERSION = version("nvc")
except PackageNotFoundError:  # a checkout that nobody has installed
    VERSION = "0.0.0"
