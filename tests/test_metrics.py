"""Measurements: known answers for known damage, agreement with plain re-computations, and refusal of bad input."""

from __future__ import annotations

import math
import sys

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from nvc import metrics
from nvc.metrics import Box, MetricError, MetricUnavailable, NoFaceFound
from nvc.metrics.backbones import AlexNet, SmoothVgg16, SqueezeNet10, Vgg16, load_tensors, standardise


@pytest.fixture(scope="module")
def noise() -> np.ndarray:
    return np.random.default_rng(7).integers(0, 256, (3, 3, 48, 40), dtype=np.uint8)


@pytest.fixture(scope="module")
def analyser() -> metrics.FaceAnalyser:
    return metrics.FaceAnalyser()


def brighter(clip: np.ndarray, levels: int) -> np.ndarray:
    return np.clip(clip.astype(int) + levels, 0, 255).astype(np.uint8)


def random_tensors(network: type, seed: int = 0) -> dict[str, Tensor]:
    """Weights of the shapes that a network asks for, found by asking it."""
    generator, tensors = torch.Generator().manual_seed(seed), {}
    while True:
        try:
            network(tensors)
            return tensors
        except MetricError as error:
            message = str(error)
            if "no tensor" in message:
                missing = message.split()[-1]
                tensors[missing] = torch.zeros(1)
            else:
                name, shape = message.split()[1], message.rsplit("must be ", 1)[1]
                sides = [int(number) for number in shape.strip("[]").split(",")]
                scale = math.prod(sides[1:]) ** -0.5
                tensors[name] = torch.randn(sides, generator=generator) * scale


class Channels:
    """A stand-in backbone: two maps, the picture and its half-size mean."""

    channels = (3, 3)

    def __call__(self, pictures: Tensor) -> list[Tensor]:
        return [pictures, torch.nn.functional.avg_pool2d(pictures, 2)]


class PointsAtBrightestPixel:
    """A stand-in analyser: all 68 landmarks sit on the brightest pixel, the identity is the mean colour."""

    def find(self, picture: np.ndarray) -> Box | None:
        return Box(0, 0, 9, 9) if picture.max() > 0 else None

    def find_all(self, frames: object) -> list[Box | None]:
        return [self.find(picture) for picture in metrics.faces.pictures(frames)]

    def landmarks(self, picture: np.ndarray, box: Box) -> np.ndarray:
        row, column = np.unravel_index(picture.sum(axis=2).argmax(), picture.shape[:2])
        points = np.tile(np.array([column, row], np.float32), (68, 1))
        points[48:] *= 2  # mouth points move twice as far
        return points

    def embedding(self, picture: np.ndarray, box: Box) -> np.ndarray:
        return picture.mean(axis=(0, 1))


def dots(positions: list[tuple[int, int]]) -> np.ndarray:
    clip = np.zeros((len(positions), 3, 32, 32), np.uint8)
    for index, (x, y) in enumerate(positions):
        clip[index, :, y, x] = 255
    return clip


# --- fidelity ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("levels", [1, 5, 20])
def test_psnr_of_a_constant_error_is_its_formula(levels):
    flat = np.full((2, 3, 16, 16), 100, np.uint8)
    assert metrics.psnr(flat, brighter(flat, levels)) == pytest.approx(20 * math.log10(255 / levels), abs=1e-6)


def test_psnr_is_the_mean_over_frames_not_of_errors():
    flat = np.full((2, 3, 16, 16), 100, np.uint8)
    uneven = np.concatenate([brighter(flat[:1], 1), brighter(flat[:1], 10)])
    expected = (20 * math.log10(255) + 20 * math.log10(25.5)) / 2
    assert metrics.psnr(flat, uneven) == pytest.approx(expected, abs=1e-6)


def test_ssim_agrees_with_scikit_image(noise):
    from skimage.metrics import structural_similarity

    blurred = torch.nn.functional.avg_pool2d(torch.from_numpy(noise).float(), 3, 1, 1).round().byte().numpy()
    options = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False, "data_range": 255, "full": True}
    expected = np.mean(
        [
            structural_similarity(a, b, **options)[1][5:-5, 5:-5].mean()
            for one, other in zip(noise, blurred, strict=True)
            for a, b in zip(one.astype(float), other.astype(float), strict=True)
        ]
    )
    assert metrics.ssim(noise, blurred) == pytest.approx(expected, abs=1e-4)


@settings(deadline=None, max_examples=20)
@given(seed=st.integers(0, 10_000), frames=st.integers(1, 11))
def test_identical_clips_are_at_no_distance(seed, frames):
    clip = np.random.default_rng(seed).integers(0, 256, (frames, 3, 16, 16), dtype=np.uint8)
    assert metrics.ssim(clip, clip) == pytest.approx(1.0)
    assert metrics.psnr(clip, clip) > 100
    assert metrics.perceptual(clip, clip, backbone=Channels()) == 0


def test_ms_ssim_orders_damage(face_clip):
    assert metrics.ms_ssim(face_clip, face_clip) == pytest.approx(1.0)
    worse = metrics.ms_ssim(face_clip, brighter(face_clip, 60))
    assert worse < metrics.ms_ssim(face_clip, brighter(face_clip, 10)) < 1


def test_batches_do_not_change_figures():
    clip = np.random.default_rng(3).integers(0, 256, (11, 3, 24, 24), dtype=np.uint8)
    other = np.random.default_rng(4).integers(0, 256, (11, 3, 24, 24), dtype=np.uint8)
    one_by_one = np.mean([metrics.ssim(clip[i : i + 1], other[i : i + 1]) for i in range(11)])
    assert metrics.ssim(clip, other) == pytest.approx(one_by_one, abs=1e-6)


# --- feature distances ------------------------------------------------------------------------------------------


def test_perceptual_distance_of_opposite_colours():
    red, green = np.zeros((1, 3, 8, 8), np.uint8), np.zeros((1, 3, 8, 8), np.uint8)
    red[:, 0], green[:, 1] = 200, 90
    assert metrics.perceptual(red, green, backbone=Channels()) == pytest.approx(2.0, abs=1e-5)


def test_lpips_weighs_channels_and_sums_layers():
    red, green = np.zeros((1, 3, 8, 8), np.uint8), np.zeros((1, 3, 8, 8), np.uint8)
    red[:, 0], green[:, 1] = 200, 90
    linear = [torch.tensor([0.5, 0.25, 9.0]), torch.tensor([1.0, 0.0, 9.0])]
    assert metrics.lpips(red, green, backbone=Channels(), linear=linear) == pytest.approx(1.75, abs=1e-5)


@pytest.mark.parametrize("linear", [[torch.ones(3)], [torch.ones(3), torch.ones(4)], [torch.ones(3), -torch.ones(3)]])
def test_linear_weights_that_do_not_fit_are_refused(noise, linear):
    with pytest.raises(MetricError, match="linear weights"):
        metrics.lpips(noise, noise, backbone=Channels(), linear=linear)


def test_lpips_linear_reads_published_names():
    tensors = {f"lin{index}.model.1.weight": torch.full((1, 3, 1, 1), float(index)) for index in range(2)}
    assert [weights.tolist() for weights in metrics.lpips_linear(tensors, Channels())] == [[0.0] * 3, [1.0] * 3]


@pytest.mark.parametrize(
    ("network", "sides"),
    [
        (SqueezeNet10, [29, 14, 7, 7, 3]),
        (AlexNet, [15, 7, 3, 3, 3]),
        (Vgg16, [64, 32, 16, 8, 4]),
        (SmoothVgg16, [64, 32, 16, 8, 4]),
    ],
)
def test_backbones_have_the_published_widths_and_sizes(network, sides):
    backbone = network(random_tensors(network))
    maps = backbone(torch.full((1, 3, 64, 64), 128.0))
    assert [features.shape[1] for features in maps] == list(backbone.channels)
    assert [features.shape[2] for features in maps] == sides


def test_alexnet_is_its_sequential_self():
    tensors = random_tensors(AlexNet)
    layers = [
        torch.nn.Conv2d(3, 64, 11, 4, 2),
        torch.nn.ReLU(),
        torch.nn.MaxPool2d(3, 2),
        torch.nn.Conv2d(64, 192, 5, 1, 2),
        torch.nn.ReLU(),
        torch.nn.MaxPool2d(3, 2),
        torch.nn.Conv2d(192, 384, 3, 1, 1),
        torch.nn.ReLU(),
        torch.nn.Conv2d(384, 256, 3, 1, 1),
        torch.nn.ReLU(),
        torch.nn.Conv2d(256, 256, 3, 1, 1),
        torch.nn.ReLU(),
    ]
    network = torch.nn.Sequential(*layers)
    network.load_state_dict({name.removeprefix("features."): tensor for name, tensor in tensors.items()})
    pictures = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(1)) * 255
    with torch.no_grad():
        expected = network(standardise(pictures))
    assert torch.allclose(AlexNet(tensors)(pictures)[-1], expected, atol=1e-5)


def test_dists_is_zero_for_identity_and_grows_with_damage(noise):
    backbone = SmoothVgg16(random_tensors(SmoothVgg16))
    alpha, beta = torch.full((1475,), 0.5), torch.full((1475,), 0.5)
    weights = {"backbone": backbone, "alpha": alpha, "beta": beta}
    blurred = torch.nn.functional.avg_pool2d(torch.from_numpy(noise).float(), 3, 1, 1).round().byte().numpy()
    assert metrics.dists(noise, noise, **weights) == pytest.approx(0.0, abs=1e-4)
    assert metrics.dists(noise, blurred, **weights) > metrics.dists(noise, brighter(noise, 3), **weights) > 1e-5


def test_dists_texture_term_ignores_where_things_are(noise):
    backbone = SmoothVgg16(random_tensors(SmoothVgg16))
    colours_only = torch.zeros(1475)
    colours_only[:3] = 1.0
    rolled = np.roll(noise, 7, axis=3)
    options = {"backbone": backbone, "alpha": colours_only, "beta": torch.zeros(1475)}
    assert metrics.dists(noise, rolled, **options) == pytest.approx(0.0, abs=1e-5)
    assert metrics.dists(noise, rolled, backbone=backbone, alpha=torch.zeros(1475), beta=colours_only) > 0.5


def test_dists_needs_1475_weights(noise):
    backbone = SmoothVgg16(random_tensors(SmoothVgg16))
    with pytest.raises(MetricError, match="1475"):
        metrics.dists(noise, noise, backbone=backbone, alpha=torch.ones(3), beta=torch.ones(1475))


def test_weights_load_from_npz_and_safetensors(tmp_path):
    from safetensors.torch import save_file

    tensors = {"a.weight": torch.arange(6.0).view(2, 3).half()}
    np.savez(tmp_path / "w.npz", **{name: tensor.numpy() for name, tensor in tensors.items()})
    save_file(tensors, tmp_path / "w.safetensors")
    for name in ("w.npz", "w.safetensors"):
        loaded = load_tensors(tmp_path / name)
        assert loaded["a.weight"].dtype == torch.float32
        assert torch.equal(loaded["a.weight"], tensors["a.weight"].float())


def test_weights_are_never_unpickled(tmp_path):
    np.savez(tmp_path / "evil.npz", payload=np.array([{"a": 1}], dtype=object))
    torch.save({"a": torch.ones(1)}, tmp_path / "w.pth")
    (tmp_path / "damaged.safetensors").write_bytes(b"\x00" * 20)
    np.savez(tmp_path / "nan.npz", a=np.array([np.nan], np.float32))
    for name in ("evil.npz", "w.pth", "damaged.safetensors", "nan.npz", "missing.npz"):
        with pytest.raises(MetricError):
            load_tensors(tmp_path / name)


# --- faces ------------------------------------------------------------------------------------------------------


def test_keypoint_distance_is_the_distance_that_points_moved():
    original, decoded = dots([(10, 10), (12, 10)]), dots([(13, 14), (12, 10)])
    stand_in = PointsAtBrightestPixel()
    assert metrics.akd(original, decoded, analyser=stand_in) == pytest.approx((5 * 48 + 10 * 20) / 68 / 2)
    assert metrics.akd_m(original, decoded, analyser=stand_in) == pytest.approx(5.0)


def test_frames_without_a_face_do_not_count():
    original, decoded = dots([(10, 10), (12, 10)]), dots([(13, 14), (20, 20)])
    original[1] = 0
    assert metrics.akd_m(original, decoded, analyser=PointsAtBrightestPixel()) == pytest.approx(10.0)


def test_a_clip_without_any_face_is_said():
    empty = np.zeros((2, 3, 32, 32), np.uint8)
    for metric in (metrics.akd, metrics.akd_m, metrics.aed):
        with pytest.raises(NoFaceFound):
            metric(empty, empty, analyser=PointsAtBrightestPixel())


def test_boxes_must_be_one_a_frame():
    clip = dots([(1, 1), (2, 2)])
    with pytest.raises(MetricError, match="boxes"):
        metrics.akd(clip, clip, analyser=PointsAtBrightestPixel(), boxes=[None])


def test_identity_distance_is_euclidean():
    clip = np.full((1, 3, 8, 8), 10, np.uint8)
    assert metrics.aed(clip, brighter(clip, 3), analyser=PointsAtBrightestPixel()) == pytest.approx(3 * math.sqrt(3))


def test_a_real_face_that_moves_two_pixels_has_a_keypoint_distance_of_two(face_clip, analyser):
    moved = np.roll(face_clip, 2, axis=3)
    distance = metrics.akd(face_clip[:2], moved[:2], analyser=analyser)
    assert 1.0 < distance < 3.0  # the original's box does not move along, which holds landmarks back a little
    assert metrics.akd(face_clip[:2], face_clip[:2], analyser=analyser) == 0
    assert metrics.aed(face_clip[:2], face_clip[:2], analyser=analyser) == 0
    assert metrics.aed(face_clip[:1], moved[:1], analyser=analyser) < 0.4


# --- time -------------------------------------------------------------------------------------------------------


def test_jitter_is_the_ratio_of_accelerations():
    original, decoded = dots([(10, 10), (12, 10), (12, 10)]), dots([(10, 10), (14, 10), (10, 10)])
    assert metrics.jitter(original, decoded, analyser=PointsAtBrightestPixel()) == pytest.approx(8 / 2)


def test_jitter_of_steady_motion_is_guarded_against_division_by_zero():
    steady = dots([(10, 10), (11, 10), (12, 10)])
    assert metrics.jitter(steady, steady, analyser=PointsAtBrightestPixel()) == 0


@pytest.mark.parametrize("centre", [0, 2, -1])
def test_jitter_refuses_runs_that_leave_the_clip(centre):
    clip = dots([(1, 1), (2, 2), (3, 3)])
    with pytest.raises(MetricError, match="runs of three"):
        metrics.jitter(clip, clip, analyser=PointsAtBrightestPixel(), centres=[centre])


def test_flicker_sees_change_that_the_original_has_not():
    still = np.full((3, 3, 8, 8), 100, np.uint8)
    flashing = still.copy()
    flashing[1] += 6
    assert metrics.flicker(still, brighter(still, 20)) == 0
    assert metrics.flicker(still, flashing) == pytest.approx(6.0)
    with pytest.raises(MetricError, match="2 frames"):
        metrics.flicker(still[:1], still[:1])


# --- distributions ----------------------------------------------------------------------------------------------


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


# --- what is not there ------------------------------------------------------------------------------------------


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


# --- all at once ------------------------------------------------------------------------------------------------


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
