"""What can go wrong while measuring."""

from __future__ import annotations


class MetricError(ValueError):
    """A measurement that cannot be made from what was given."""


class MetricUnavailable(MetricError):
    """A measurement whose package, program or weights are not installed."""


class NoFaceFound(MetricError):
    """No frame of the original shows a face, so that distances between faces mean nothing."""
