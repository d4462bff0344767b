"""The published models by their id: spec/models.json. Names for people; nothing is loaded from here."""

from __future__ import annotations

import json
from pathlib import Path

_HERE = Path(__file__).resolve().parent
_PLACES = (_HERE / "spec" / "models.json", _HERE.parent / "spec" / "models.json")  # installed; in a checkout


def known_models() -> dict[str, str]:
    """Names by model id in hexadecimal; empty when the registry is not installed."""
    for place in _PLACES:
        if place.is_file():
            registry: dict[str, dict[str, str]] = json.loads(place.read_text(encoding="utf-8"))
            return {model_id: entry["name"] for model_id, entry in registry.items()}
    return {}
