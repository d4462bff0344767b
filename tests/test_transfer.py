"""Motion transfer: the portrait's own face, the driver's motion, and a mark on what comes out."""

from __future__ import annotations

import math
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
import torch
from streams import SIDE, encode, joined, tiny

from benchmarks.clips import Clip, write_lossless
from bitstream import Sequence, UnitType, make_unit, parse_payload
from nvc.crop import Square
from nvc.decoder import Decoder
from nvc.expression import ExpressionEdit
from nvc.files import encode_file
from nvc.pose import HeadMotion, euler_to_matrix
from nvc.transfer import (
    Alignment,
    Portrait,
    Retarget,
    Transfer,
    TransferMode,
    best_frame,
    read_portrait,
)
from nvc.view import View


@pytest.fixture(scope="module")
def units(small_clip):
    return encode(small_clip[:6], group_size=2)


@pytest.fixture(scope="module")
def portrait(small_clip) -> np.ndarray:
    """Somebody else: the demo face mirrored, with other colours."""
    return np.ascontiguousarray(255 - small_clip[3].transpose(1, 2, 0)[:, ::-1])


def heads(count: int, seed: int, spread: float = 0.2) -> HeadMotion:
    generator = torch.Generator().manual_seed(seed)
    return HeadMotion.from_vector(spread * torch.randn(count, 7 + 4, generator=generator))


def decode(units, **options) -> np.ndarray:
    return np.stack(Decoder(model=tiny(), device="cpu", **options).decode(joined(units)))


def test_absolute_transfer_takes_the_pose_as_it_is_and_what_changes_of_the_expression():
    driver, still = heads(4, 1), heads(1, 2)
    moved = Retarget(TransferMode.ABSOLUTE, still, driver[:1]).apply(driver)
    assert torch.equal(moved.vector()[:, :7], driver.vector()[:, :7])
    assert torch.allclose(moved.expression[0], still.expression[0])
    assert torch.allclose(moved.expression[3] - moved.expression[0], driver.expression[3] - driver.expression[0])


def test_relative_transfer_starts_from_the_portrait():
    driver, still = heads(4, 1), heads(1, 2)
    moved = Retarget(TransferMode.RELATIVE, still, driver[2:3]).apply(driver)
    assert torch.allclose(moved[2:3].vector(), still.vector(), atol=1e-5)


def test_relative_transfer_turns_by_what_the_driver_turns():
    driver, still = heads(2, 1), heads(1, 2)
    moved = Retarget(TransferMode.RELATIVE, still, driver[:1]).apply(driver)
    turn = [euler_to_matrix(m[1:].angles) @ euler_to_matrix(m[:1].angles).transpose(1, 2) for m in (driver, moved)]
    assert torch.allclose(turn[0], turn[1], atol=1e-5)
    assert torch.allclose((moved.expression - still.expression)[1], (driver.expression[1] - driver.expression[0]))


def test_a_smaller_portrait_moves_less():
    driver, still = heads(2, 1), heads(1, 2)
    small = replace(still, log2_scale=driver.log2_scale[:1] - 1)
    moved = Retarget(TransferMode.RELATIVE, small, driver[:1]).apply(driver)
    step = driver.translation[1] - driver.translation[0]
    assert torch.allclose(moved.translation[1] - still.translation[0], step / 2, atol=1e-6)


def test_the_best_frame_is_the_one_like_the_portrait():
    driver = heads(9, 3, spread=0.5)
    near = HeadMotion.from_vector(driver[6:7].vector() + 0.01)
    assert best_frame(driver, near) == 6


def test_a_portrait_keeps_its_own_keypoints(portrait):
    seen = Portrait.of(portrait, tiny(), torch.device("cpu"))
    assert seen.picture.shape == (SIDE, SIDE, 3) and seen.x_c.shape == (8, 3)
    assert seen.motion.expression.shape == (1, 8)


def test_the_driver_s_pictures_do_not_show(units, portrait):
    """Whatever the driver's key picture holds, the frames are the portrait's."""
    transfer = Transfer(portrait)
    frames = decode(units, transfer=transfer)
    assert frames.shape == (6, 3, SIDE, SIDE)
    key = next(i for i, u in enumerate(units) if u.type is UnitType.KEYFRAME)
    sequence = next(parse_payload(u) for u in units if u.type is UnitType.SEQUENCE)
    assert isinstance(sequence, Sequence)
    other = next(
        parse_payload(u, sequence)
        for u in encode(np.full((1, 3, SIDE, SIDE), 90, np.uint8))
        if u.type is UnitType.KEYFRAME
    )
    swapped = list(units)
    swapped[key] = make_unit(replace(parse_payload(units[key], sequence), picture=other.picture))
    assert not np.array_equal(decode(swapped), decode(units))
    assert np.array_equal(decode(swapped, transfer=transfer), frames)


def test_the_first_relative_frame_is_the_portrait_at_its_own_pose(units, portrait):
    seen = Portrait.of(portrait, tiny(), torch.device("cpu"))
    features = tiny().appearance(torch.from_numpy(seen.picture.transpose(2, 0, 1).copy())[None].float() / 255)
    still = tiny().render(features, seen.x_c, seen.motion, seen.motion)[0]
    first = decode(units, transfer=Transfer(portrait, align=Alignment.FIRST))[0]
    assert np.abs(first - (still * 255).round().numpy()).max() <= 2


def test_modes_and_alignment_differ(units, portrait):
    relative = decode(units, transfer=Transfer(portrait))
    absolute = decode(units, transfer=Transfer(portrait, TransferMode.ABSOLUTE))
    assert not np.array_equal(relative, absolute)
    reference = torch.zeros(7 + 8)
    assert not np.array_equal(relative, decode(units, transfer=Transfer(portrait, reference=reference)))


def test_the_known_track_gives_the_best_frame_and_the_rest(units, portrait):
    transfer = Transfer(portrait)
    seen = Portrait.of(portrait, tiny(), torch.device("cpu"))
    track = torch.cat([torch.randn(5, 15, generator=torch.Generator().manual_seed(0)), seen.motion.vector()])
    decoder = Decoder(model=tiny(), device="cpu", transfer=transfer)
    decoder.foresee(track)
    aligned = np.stack(decoder.decode(joined(units)))
    given = decode(units, transfer=Transfer(portrait, reference=seen.motion.vector()[0]))
    assert np.array_equal(aligned, given)


def test_wishes_change_between_frames(units, portrait):
    decoder = Decoder(model=tiny(), device="cpu")
    plain = decode(units)
    cut = next(i for i, u in enumerate(units) if u.type is UnitType.MOTION) + 1
    first = decoder.decode(joined(units[:cut]))
    decoder.view, decoder.edit = View(yaw=25), ExpressionEdit.parse("jaw=1")
    second = decoder.decode(joined(units[cut : cut + 1]))
    decoder.view = decoder.edit = None
    decoder.transfer = Transfer(portrait)
    third = decoder.decode(joined(units[cut + 1 :]))
    assert np.array_equal(np.stack(first), plain[: len(first)])
    assert not np.array_equal(second[0], plain[len(first)])
    assert not np.array_equal(third[-1], plain[-1])


@pytest.mark.parametrize("bad", [np.zeros((4, 5, 3), np.uint8), np.zeros((4, 4), np.uint8), np.zeros((4, 4, 3))])
def test_portraits_are_square_rgb(bad):
    with pytest.raises(ValueError, match="a portrait is uint8"):
        Transfer(bad)


def test_a_reference_of_another_size_is_refused(units, portrait):
    with pytest.raises(ValueError, match="15 numbers"):
        decode(units, transfer=Transfer(portrait, reference=torch.zeros(9)))


def test_a_portrait_is_cropped_as_the_encoder_crops(tmp_path, face_clip):
    from PIL import Image

    wide = np.full((400, 700, 3), 128, np.uint8)
    wide[60:316, 300:556] = face_clip[0].transpose(1, 2, 0)
    Image.fromarray(wide).save(tmp_path / "wide.png")
    found = read_portrait(tmp_path / "wide.png")
    assert found.shape[0] == found.shape[1] and 150 < found.shape[0] < 400
    given = read_portrait(tmp_path / "wide.png", crop=Square(300, 60, 256))
    assert np.array_equal(given, wide[60:316, 300:556])
    with pytest.raises(ValueError, match="not square"):
        read_portrait(tmp_path / "wide.png", crop="none")
    with pytest.raises(ValueError, match="not inside"):
        read_portrait(tmp_path / "wide.png", crop=Square(600, 0, 256))


def test_a_portrait_without_a_face_is_refused(tmp_path):
    from PIL import Image

    Image.fromarray(np.full((200, 200, 3), 77, np.uint8)).save(tmp_path / "wall.png")
    with pytest.raises(ValueError, match="no face was found in the portrait"):
        read_portrait(tmp_path / "wall.png")
    assert read_portrait(tmp_path / "wall.png", crop="none").shape == (200, 200, 3)


def test_angles_are_those_of_the_portrait_plus_the_driver_s_for_small_turns():
    still = replace(heads(1, 2), angles=torch.tensor([[0.0, math.radians(10), 0.0]]))
    driver = replace(heads(2, 1), angles=torch.tensor([[0.0, 0.0, 0.0], [0.0, math.radians(15), 0.0]]))
    moved = Retarget(TransferMode.RELATIVE, still, driver[:1]).apply(driver)
    assert math.degrees(float(moved.angles[1, 1])) == pytest.approx(25, abs=1e-3)


def test_conventional_pictures_of_the_driver_do_not_show_either(tmp_path, small_clip, portrait):
    """The tiny model draws noise, so the encoder prefers H.264 pictures: nothing in them is the portrait's."""
    write_lossless(Clip("talk", small_clip[:5], Fraction(25)), tmp_path / "talk.mkv")
    encode_file(tmp_path / "talk.mkv", tmp_path / "talk.nvc", crop="none", model=tiny())
    data = (tmp_path / "talk.nvc").read_bytes()
    plain = np.stack(decode_bytes(data))
    assert np.abs(plain.astype(int) - small_clip[:5]).mean() < 25, "the encoder no longer chooses pictures here"
    driven = np.stack(decode_bytes(data, transfer=Transfer(portrait)))
    assert len(driven) == 5 and (driven == driven[0]).all()
    assert np.abs(driven[0].astype(int) - small_clip[0]).mean() > 25


def decode_bytes(data: bytes, **options) -> list[np.ndarray]:
    return Decoder(model=tiny(), device="cpu", **options).decode(data[8:])
