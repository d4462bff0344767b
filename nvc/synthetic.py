"""How a video file says that it is synthetic media: made by motion transfer or expression editing, not by a camera."""

from __future__ import annotations

from collections.abc import Mapping

MARK = "synthetic media"
TAG = "SYNTHETIC_MEDIA"
_COMMENT = "comment"  # the one tag that MP4 keeps without asking


def synthetic_tags(made_by: str) -> dict[str, str]:
    """Tags of a container; ``made_by`` in words, as far as it is known."""
    return {_COMMENT: f"{MARK}: {made_by or 'as its source says'} (nvc)", TAG: "1"}


def is_synthetic(tags: Mapping[str, str]) -> bool:
    """Whether a container's tags say so."""
    lower = {name.lower(): text for name, text in tags.items()}
    return lower.get(TAG.lower()) == "1" or MARK in lower.get(_COMMENT, "").lower()
