"""What choosing sources is worth, measured: the first frame as it was, and the step where sources change."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from streams import SIDE

from benchmarks.chosen_sources import FirstFrame, summarise, switch_step
from benchmarks.clips import Clip
from benchmarks.network_probe import probe
from nvc.decoder import Decoder
from nvc.models import zoo
from nvc.picture_coder import Preset
from nvc.rate import CodingPoint, Rung
from nvc.source_choice import Span


def test_the_step_at_a_switch_is_that_into_its_first_frame() -> None:
    frames = np.zeros((10, 3, 4, 4), np.uint8)
    for index in range(10):
        frames[index] = index + (4 if index >= 5 else 0)  # steps of 1, and one of 5 into frame 5
    assert switch_step(frames, [0, 5]) == pytest.approx(5.0)
    assert switch_step(frames, [0]) is None


@pytest.mark.parametrize("preset", [Preset.FAST, Preset.MEDIUM])
def test_a_clip_is_coded_from_the_first_frame_or_from_the_chosen_ones(preset: Preset) -> None:
    levels = np.random.default_rng(0).integers(0, 255, (12, 3, SIDE, SIDE), dtype=np.uint8)
    model = zoo.load("tiny-64")
    probed = probe(Clip("noise", levels, Fraction(10)), model, preset=preset)
    rung = Rung(CodingPoint(35, 24, 24), 1e-6, 40)
    first = probed.drawn_from(FirstFrame(probed.chooser))
    assert first.changes(probed.part, rung)[0].pictured == 0
    assert FirstFrame(probed.chooser).spans(probed.part, 0.0) == (Span(0, 0),)
    for road in (None, first):
        shown = Decoder(model=model, device="cpu").decode(probed.coded(rung, road=road))
        assert len(shown) == 12
    sizes = [probed.road.picture_bytes([probed.part], rung), probed.road.motion_bytes([probed.part], rung)]
    assert sum(sizes) == pytest.approx(len(probed.coded(rung)), abs=4 * len(probed.road.keys([probed.part], rung)) + 2)


def test_steps_are_averaged_over_the_clips_that_switch() -> None:
    row = {"way": "best", "kbps": 1.0, "psnr": 20.0, "sqp": 0.2, "key_pictures": 1, "switches": 0}
    rows = [
        {**row, "switch_step": None, "switch_step_of_original": None},
        {**row, "switch_step": 1.2, "switch_step_of_original": 1.0},
    ]
    (mean,) = summarise(rows)
    assert mean["switch_step"] == 1.2 and mean["clips"] == 2
