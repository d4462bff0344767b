"""The motion benchmark: labels become motion and back, rows meet the error asked for, other coders are comparable."""

import json
from fractions import Fraction

import numpy as np
import pytest

from benchmarks import motion_coding, motion_rendered, motion_variants
from benchmarks.clips import Clip
from benchmarks.motion_coders import AS_IT_IS, CODERS, ideal_bytes
from benchmarks.motion_coding import Mode, OutOfReach, at_error, choose, code_clip, make_key
from benchmarks.motion_labels import load_clips, load_mesh, project, sensitivity
from bitstream import parse_units
from bitstream.stream import StreamDecoder
from nvc.models import zoo

POINTS = 478
GROUPS = Mode(name="groups", frames_per_unit=8, look_ahead=None, guess=0.05, expression_count=3)
SINGLE = Mode(name="single", frames_per_unit=1, look_ahead=2, guess=0.05, whole_bytes=True, expression_count=3)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """A folder as the benchmark takes it: a face of noise, and two clips of it that move."""
    folder, rng = tmp_path_factory.mktemp("labels"), np.random.default_rng(1)
    mean = rng.normal(0, 0.6, (POINTS, 3))
    basis = np.linalg.qr(rng.normal(0, 1, (POINTS * 3, 4)))[0].T.reshape(4, POINTS, 3)
    np.savez(folder / "face_basis.npz", mean=mean, expression=basis)
    (folder / "val").mkdir()
    for name in ("a", "b"):
        wobble = np.cumsum(rng.normal(0, 0.01, (20, 2)), axis=0)
        faces = mean[None] * 0.42 + np.einsum("fn,nkc->fkc", rng.normal(0, 0.5, (20, 4)) / POINTS**0.5, basis)
        faces[..., :2] += wobble[:, None] + 1
        labels = np.rint(faces * 128 * 32).astype(np.int32)
        np.savez(folder / "val" / f"{name}.npz", landmarks_delta=np.diff(labels, axis=0, prepend=0))
    return folder


@pytest.fixture(scope="module")
def clips(data):
    return load_clips(data / "val", load_mesh(data / "face_basis.npz", 3))


def test_labels_become_motion_that_puts_the_points_where_they_were(clips):
    assert [clip.name for clip in clips] == ["a", "b"]
    for clip in clips:
        seen = project(clip.motion, clip.x_c, clip.basis) / 128 - clip.landmarks[..., :2]
        assert np.abs(seen).mean() < 0.02  # of a half-side: what three of four components leave


def test_sensitivity_tells_how_far_points_move(clips):
    clip, error = clips[0], np.zeros(10)
    error[3] = 0.01
    assert error @ sensitivity(clip) @ error == pytest.approx(1.28**2, rel=1e-6)


@pytest.mark.parametrize("mode", [GROUPS, SINGLE])
def test_a_row_is_just_within_the_error_asked_for(clips, mode):
    floor = float(np.mean([choose(clip, mode, 1e-6).error for clip in clips]))
    lagrangian, chosen = at_error(clips, mode, floor + 0.3)
    assert lagrangian > 1e-6 and np.mean([some.error for some in chosen]) <= floor + 0.3
    coded = code_clip(clips[0], mode, chosen[0])
    units = -(-19 // mode.frames_per_unit)
    assert coded.frames == 19
    assert coded.bytes_per_frame == pytest.approx(coded.payload_bytes_per_frame + 4 * units / 19)  # header, size, CRC
    with pytest.raises(OutOfReach, match="the least found"):
        at_error(clips, mode, floor / 2)


@pytest.mark.parametrize("name", CODERS)
def test_every_coder_has_a_length(clips, name):
    sequence = GROUPS.sequence()
    key, _ = make_key(clips[0], sequence)
    frames = choose(clips[0], GROUPS, 0.0).frames
    size = ideal_bytes(sequence, key.values, frames, CODERS[name])
    usual = ideal_bytes(sequence, key.values, frames, CODERS[AS_IT_IS])
    assert 0.3 * usual < size < 4 * usual
    assert (size == usual) is (name == AS_IT_IS)


def test_the_coder_as_it_is_has_the_length_of_its_payload(clips):
    chosen = choose(clips[0], GROUPS, 0.05)
    key, _ = make_key(clips[0], GROUPS.sequence())
    ideal = ideal_bytes(GROUPS.sequence(), key.values, chosen.frames, CODERS[AS_IT_IS])
    assert ideal == pytest.approx(code_clip(clips[0], GROUPS, chosen).payload_bytes_per_frame, abs=0.2)


def test_the_command_goes_on_where_it_was_stopped(data, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(motion_coding, "MODES", (GROUPS,))
    monkeypatch.setattr(motion_coding, "BARS", {"groups": 5.0})
    monkeypatch.setattr(motion_variants, "ENCODERS", {"half": GROUPS})
    monkeypatch.setattr(motion_variants, "GROUPS", GROUPS)
    monkeypatch.setattr(motion_variants, "SINGLE", SINGLE)
    command = ["--data", str(data), "-o", str(tmp_path / "out.json"), "--error", "1.5"]
    assert motion_coding.main(command) == 0
    report = json.loads((tmp_path / "out.json").read_text())
    assert report["bars"]["groups"]["measured"] == report["modes"][0]["bytes_per_frame"] > 0
    assert len(report["variants"]) == 3 + 3 * len(CODERS)
    assert "groups" in capsys.readouterr().out
    assert motion_coding.main(command) == 0 and capsys.readouterr().out == ""


def test_coding_for_pictures_covers_every_frame_and_choosing_saves_bytes(small_clip):
    tiny = zoo.load("tiny-64")
    clip = Clip("clip", small_clip, Fraction(25))
    seen = motion_rendered.see(tiny, clip)
    assert seen[0].shape == (12, 15) and seen[1].shape == (8, 3)
    sizes = []
    for setting in motion_rendered.SETTINGS[:2]:
        units = motion_rendered.code(tiny, clip, seen, setting, 40)
        decoder = StreamDecoder()
        frames = [frame for data in units for unit in parse_units(data) for frame in decoder.decode(unit)]
        assert len(frames) == 12
        sizes.append(sum(map(len, units)))
    assert sizes[1] < sizes[0]
