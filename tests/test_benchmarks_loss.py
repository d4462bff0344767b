"""The loss benchmark measures calls of every kind, and its table and picture follow from its JSON."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path

import pytest

from benchmarks import loss
from benchmarks.clips import Clip, write_lossless
from nvc.demo import make_clip


def test_every_loss_is_measured_with_and_without_retransmission(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    clip = tmp_path / "small.mkv"
    write_lossless(Clip("small", make_clip(seconds=1, side=64), Fraction(25)), clip)
    monkeypatch.setattr(loss, "LOSSES", (0.0, 0.2))
    assert loss.main([str(clip), "-o", str(tmp_path), "--model", "tiny-64", "--seeds", "1,2"]) == 0
    result = json.loads((tmp_path / "loss.json").read_text())
    assert [(row["loss"], row["retransmission"], row["seed"]) for row in result["rows"]] == [
        (0.0, True, 1),
        (0.0, False, 1),
        (0.2, True, 1),
        (0.2, True, 2),
        (0.2, False, 1),
        (0.2, False, 2),
    ]
    monkeypatch.setattr(loss, "one_call", lambda *a, **k: pytest.fail("has been measured"))
    assert loss.main([str(clip), "-o", str(tmp_path), "--model", "tiny-64", "--seeds", "1,2"]) == 0
    assert json.loads((tmp_path / "loss.json").read_text())["rows"] == result["rows"]
    calm = result["rows"][0]
    assert calm["shown"] == calm["frames"] == 25 and calm["concealed"] == 0
    assert any(row["lost_datagrams"] for row in result["rows"])
    assert len(loss.means(result)) == 4 and "sent again" in capsys.readouterr().out
    assert (tmp_path / "loss.png").stat().st_size > 5000
