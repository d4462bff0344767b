"""nvc-prepare: clips with labels become a pack whose sources are decoded key pictures."""

from __future__ import annotations

import json
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from clips import write_clip as make_clip
from training_pack import mean_face

from nvc.cli import prepare
from nvc.models import zoo
from nvc.pose import keypoints
from nvc.training import teacher
from nvc.training.data import PackedClips
from nvc.training.labels import KEYPOINTS, to_half_sides

SIDE, COUNT = 64, 7


def write_clip(path: Path) -> np.ndarray:
    """A short square clip of a moving ramp; returns its frames."""
    ramp = np.add.outer(np.arange(SIDE), np.arange(SIDE))
    frames = np.stack([np.stack([(ramp + 5 * t) % 200 + 20] * 3, -1) for t in range(COUNT)]).astype(np.uint8)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"crf": "10"})
        stream.width = stream.height = SIDE
        stream.pix_fmt = "yuv420p"
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())
    return frames


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """One labelled clip and one without labels."""
    source = tmp_path / "train"
    source.mkdir()
    write_clip(source / "a.mp4")
    write_clip(source / "unlabelled.mp4")
    landmarks = np.full((COUNT, teacher.MESH_POINTS, 3), 4096, np.int32)
    landmarks += np.arange(COUNT)[:, None, None] * 32
    teacher.save_labels(source / "a.npz", landmarks)
    return source


def test_a_pack_holds_frames_labels_and_coded_key_pictures(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "pack"
    assert prepare.main([str(folder), "-o", str(out), "--side", "64", "--key-every", "3"]) == 0
    frames, keys = np.load(out / "frames.npy"), np.load(out / "keys.npy")
    assert frames.shape == (COUNT, SIDE, SIDE, 3)
    assert np.load(out / "key_frames.npy").tolist() == [0, 3, 6]
    landmarks = np.load(out / "landmarks.npy")
    assert landmarks[0, 0, 0] == 4096 and landmarks[COUNT - 1, 0, 0] == 4096 + 32 * (COUNT - 1)
    assert json.loads((out / "clips.json").read_text()) == [{"name": "a", "start": 0, "count": COUNT, "kind": "train"}]
    # Decoded key pictures resemble their frames but are not them.
    error = np.abs(keys.astype(int) - frames[[0, 3, 6]]).mean()
    assert 0.3 < error < 20


def test_packing_is_repeatable(folder: Path, tmp_path: Path) -> None:
    for name in ("one", "two"):
        assert prepare.main([str(folder), "-o", str(tmp_path / name), "--side", "64", "--seed", "4"]) == 0
    for file in ("frames.npy", "keys.npy", "landmarks.npy", "clips.json"):
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()


def test_a_folder_without_labelled_clips_is_one_line_and_exit_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert prepare.main([str(tmp_path), "-o", str(tmp_path / "out")]) == 2
    error = capsys.readouterr().err
    assert "no labelled clips" in error and error.count("\n") == 1


def test_labelling_without_the_teacher_says_how_to_get_it(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "mediapipe", None)
    assert prepare.main([str(folder), "-o", str(tmp_path / "out"), "--side", "64", "--label"]) == 2
    assert "nvc[teacher]" in capsys.readouterr().err


def test_landmarks_survive_the_label_file(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    landmarks = 4096 + np.cumsum(rng.integers(-300, 300, (5, teacher.MESH_POINTS, 3)), axis=0).astype(np.int32)
    teacher.save_labels(tmp_path / "x.npz", landmarks)
    delta = np.load(tmp_path / "x.npz")["landmarks_delta"]
    assert delta.dtype == np.int16
    assert np.array_equal(np.cumsum(delta.astype(np.int32), axis=0), landmarks)


def test_videos_become_a_pack_with_labels_of_our_own(tmp_path: Path, face_clip: np.ndarray) -> None:
    pytest.importorskip("dlib")
    videos = tmp_path / "talks"
    videos.mkdir()
    make_clip(videos / "a.mp4", list(np.repeat(face_clip.transpose(0, 2, 3, 1), 2, axis=0)))
    np.savez(tmp_path / "face.npz", mean=mean_face().numpy())
    out = tmp_path / "pack"
    options = ["--cut", "--least-side", "64", "--least-frames", "8", "--label", "own"]
    assert prepare.main([str(videos), "-o", str(out), *options, "--face", str(tmp_path / "face.npz")]) == 0
    (clip,) = json.loads((out / "clips.json").read_text())
    assert (clip["name"], clip["kind"], clip["count"]) == ("a__0", "talks", 10)
    data = PackedClips(out, mean=mean_face(), expression=8)
    # What the pack says of the head is what the network sees in its frames.
    model = zoo.load()
    pictures = torch.from_numpy(data.frames[:2].copy()).permute(0, 3, 1, 2).float() / 255
    seen = keypoints(model.canonical(pictures), model.estimate(pictures), model.expression_basis)
    points = to_half_sides(np.load(out / "landmarks.npy"))[:2, list(KEYPOINTS)]
    assert (points - seen)[..., :2].norm(dim=-1).mean() < 0.02  # identity is the clip's median, not the frame's
