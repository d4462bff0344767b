"""The normative integer tables: the files of spec/tables/.

Each file is named here with its SHA-256; a file that does not match is refused.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from bitstream.errors import Corrupt

SHA256 = {
    "mixing": "8320057f4d3865b6660c72986800562a518fd35ec7b36e0555e01fa7cc6378d4",
    "motion": "a6f5ddcbb91095a6ddf3139b38b64a41532c66f6b7dfddf5346de95d010d500c",
    "steps": "2b8d28a6c8f1b1d82f5538163f1631c173aa7934fd562724f36a77a1a7e800f2",
}

_HERE = Path(__file__).resolve().parent
_PLACES = (_HERE / "spec" / "tables", _HERE.parent / "spec" / "tables")  # installed; in a checkout


def load_table(name: str) -> dict[str, Any]:
    """The table file ``name``.json as a dictionary. Raises Corrupt when the file is not the one that was published."""
    path = next((place / f"{name}.json" for place in _PLACES if (place / f"{name}.json").is_file()), None)
    if path is None:
        raise Corrupt(f"table {name}.json is missing from {_PLACES[0]} and {_PLACES[1]}")
    data = path.read_bytes()
    found = hashlib.sha256(data).hexdigest()
    if found != SHA256[name]:
        raise Corrupt(f"table {name}.json has SHA-256 {found}, must be {SHA256[name]}")
    table: dict[str, Any] = json.loads(data)
    return table


STEPS: tuple[int, ...] = tuple(load_table("steps")["steps"])  #: quantiser step q in units of 2^-24
STEP_UNIT = 2.0**-24
