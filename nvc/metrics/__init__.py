"""How good a decoded clip is: one function a measurement, each with its source.

Clips are uint8 [T, 3, H, W] RGB. Nothing here is imported by encoding or decoding.
"""

from nvc.metrics.clip import ClipQuality, measure
from nvc.metrics.embeddings import emotion_distance, frechet_distance
from nvc.metrics.errors import MetricError, MetricUnavailable, NoFaceFound
from nvc.metrics.face_distance import aed, akd, akd_m
from nvc.metrics.faces import Box, FaceAnalyser
from nvc.metrics.fidelity import ms_ssim, psnr, ssim
from nvc.metrics.perceptual import dists, lpips, lpips_linear, perceptual
from nvc.metrics.temporal import flicker, jitter
from nvc.metrics.vmaf import vmaf, vmaf_available

__all__ = [
    "Box",
    "ClipQuality",
    "FaceAnalyser",
    "MetricError",
    "MetricUnavailable",
    "NoFaceFound",
    "aed",
    "akd",
    "akd_m",
    "dists",
    "emotion_distance",
    "flicker",
    "frechet_distance",
    "jitter",
    "lpips",
    "lpips_linear",
    "measure",
    "ms_ssim",
    "perceptual",
    "psnr",
    "ssim",
    "vmaf",
    "vmaf_available",
]
