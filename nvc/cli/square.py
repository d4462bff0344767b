"""The option that says which square of a picture is meant."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nvc.crop import Square


def crop_of(text: str) -> str | Square:
    """``auto``, ``none`` or ``X,Y,SIDE``."""
    if text in ("auto", "none"):
        return text
    try:
        x, y, side = (int(part) for part in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not auto, none or X,Y,SIDE") from None
    from nvc.crop import Square

    return Square(x, y, side)
