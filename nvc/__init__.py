"""nvc: an open neural video codec for talking heads.

``nvc.encode_file`` and ``nvc.decode_file`` work on files, ``nvc.Encoder`` and ``nvc.Decoder`` on frames and units.
Importing this package is cheap: torch and av are imported when the first of them is used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nvc.crop import Square
    from nvc.decoder import Decoder
    from nvc.decoder_pool import DecoderPool
    from nvc.encoder import Encoder
    from nvc.files import decode_file, encode_file
    from nvc.version import VERSION as __version__
    from nvc.view import View

_PLACES = {
    "Decoder": "nvc.decoder",
    "DecoderPool": "nvc.decoder_pool",
    "Encoder": "nvc.encoder",
    "Square": "nvc.crop",
    "View": "nvc.view",
    "decode_file": "nvc.files",
    "encode_file": "nvc.files",
}

__all__ = ["Decoder", "DecoderPool", "Encoder", "Square", "View", "__version__", "decode_file", "encode_file"]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        return import_module("nvc.version").VERSION
    if name in _PLACES:
        return getattr(import_module(_PLACES[name]), name)
    raise AttributeError(f"module 'nvc' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
