"""Measurements: embeddings, VMAF, everything at once, and refusal of clips of the wrong kind."""

from __future__ import annotations

import math
import sys

import numpy as np
import pytest
import torch
from metric_standins import Channels, brighter
from torch import Tensor

from nvc import metrics
from nvc.metrics import MetricError, MetricUnavailable


@pytest.fixture(scope="module")
def noise() -> np.ndarray:
    return np.random.default_rng(7).integers(0, 256, (3, 3, 48, 40), dtype=np.uint8)


@pytest.fixture(scope="module")
def analyser() -> metrics.FaceAnalyser:
    return metrics.FaceAnalyser()


def test_frechet_distance_of_shifted_sets_is_the_squared_shift():
    clip = np.random.default_rng(5).integers(50, 200, (30, 3, 4, 4), dtype=np.uint8)
    distance = metrics.frechet_distance(clip, brighter(clip, 10), embedding=lambda x: x.mean(dim=(2, 3)))
    assert distance == pytest.approx(300.0, rel=1e-4)


def test_frechet_distance_agrees_with_the_matrix_root():
    from scipy.linalg import sqrtm

    one = np.random.default_rng(5).integers(0, 256, (20, 3, 4, 4), dtype=np.uint8)
    other = np.random.default_rng(6).integers(0, 128, (25, 3, 4, 4), dtype=np.uint8)

    def embed(pictures: Tensor) -> Tensor:
        return pictures.mean(dim=(2, 3))

    a, b = (embed(torch.from_numpy(clip).double()).numpy() for clip in (one, other))
    c, d = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
    expected = ((a.mean(0) - b.mean(0)) ** 2).sum() + np.trace(c + d - 2 * sqrtm(c @ d).real)
    assert metrics.frechet_distance(one, other, embedding=embed) == pytest.approx(expected, rel=1e-4)


def test_emotion_distance_is_the_mean_distance_of_pairs():
    clip = np.full((2, 3, 4, 4), 10, np.uint8)
    other = np.concatenate([clip[:1], brighter(clip[:1], 8)])
    assert metrics.emotion_distance(clip, other, embedding=lambda x: x.mean(dim=(1, 2, 3))[:, None]) == 4.0


@pytest.mark.parametrize("embedding", [lambda x: x, lambda x: x.mean(dim=(2, 3))[:1], lambda x: x[:, :, 0, 0] / 0])
def test_embeddings_that_are_not_vectors_are_refused(embedding):
    clip = np.zeros((2, 3, 4, 4), np.uint8)
    with pytest.raises(MetricError, match="the embedding gave"):
        metrics.emotion_distance(clip, clip, embedding=embedding)


def test_vmaf_without_ffmpeg_is_unavailable(monkeypatch, noise):
    monkeypatch.setenv("PATH", "")
    assert not metrics.vmaf_available()
    with pytest.raises(MetricUnavailable, match="libvmaf"):
        metrics.vmaf(noise, noise)


@pytest.mark.skipif(sys.platform == "win32", reason="the stand-in for ffmpeg is a shell script")
def test_vmaf_reads_what_ffmpeg_writes(monkeypatch, tmp_path, noise):
    program = tmp_path / "ffmpeg"
    program.write_text(
        "#!/bin/sh\n"
        'case "$*" in *-filters*) echo " .. libvmaf VV->V"; exit 0;; esac\n'
        f"/bin/test $(/usr/bin/wc -c < original) = {noise.size} || exit 3\n"
        """echo '{"pooled_metrics": {"vmaf": {"mean": 87.5}}}' > log.json\n"""
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    assert metrics.vmaf(noise, noise) == 87.5


def test_missing_packages_are_named(monkeypatch, face_clip):
    monkeypatch.setitem(sys.modules, "dlib", None)
    monkeypatch.setitem(sys.modules, "pytorch_msssim", None)
    with pytest.raises(MetricUnavailable, match="dlib"):
        metrics.FaceAnalyser()
    with pytest.raises(MetricUnavailable, match="pytorch-msssim"):
        metrics.ms_ssim(face_clip, face_clip)


GOOD = np.zeros((2, 3, 16, 16), np.uint8)


@pytest.mark.parametrize(
    ("original", "decoded", "message"),
    [
        (GOOD.astype(np.float32), GOOD, "uint8"),
        (GOOD, GOOD[:1], "one shape"),
        (GOOD[0], GOOD[0], r"\[T, 3, H, W\]"),
        (GOOD.transpose(0, 2, 3, 1), GOOD, r"\[T, 3, H, W\]"),
        (GOOD[:0], GOOD[:0], "nothing to measure"),
    ],
)
def test_clips_of_the_wrong_kind_are_refused(original, decoded, message):
    with pytest.raises(MetricError, match=message):
        metrics.psnr(original, decoded)


@pytest.mark.parametrize(("metric", "side"), [(metrics.ssim, 10), (metrics.ms_ssim, 160)])
def test_frames_smaller_than_the_window_are_refused(metric, side):
    clip = np.zeros((1, 3, side, side), np.uint8)
    with pytest.raises(MetricError, match="at least"):
        metric(clip, clip)


def test_measure_reports_everything_that_was_asked(face_clip, analyser):
    quality = metrics.measure(face_clip, brighter(face_clip, 4), backbone=Channels(), analyser=analyser)
    assert quality.psnr == pytest.approx(20 * math.log10(255 / 4), abs=0.5)
    assert quality.akd is not None and quality.akd < 1
    assert quality.aed is not None and quality.lost == 0
    assert quality.sqp is not None and quality.sqp > 0
    assert set(quality.as_dict()) >= {"psnr", "ssim", "ms_ssim", "sqp", "akd", "akd_m", "aed", "jit", "lost"}


def test_measure_leaves_out_what_was_not_asked(face_clip):
    quality = metrics.measure(face_clip, face_clip)
    assert quality.sqp is None and quality.akd is None and quality.jit is None


def test_measure_of_a_faceless_clip_has_no_face_figures(analyser):
    grey = np.full((2, 3, 176, 176), 128, np.uint8)
    assert metrics.measure(grey, grey, analyser=analyser).akd is None
