"""What encoding or decoding a file came to, for people and as JSON."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from fractions import Fraction
from typing import Any

from nvc.rate import CodingPoint
from nvc.statistics import EncoderStatistics

SCHEMA = 1
_NOT_VIDEO = ("AUDIO",)


@dataclass(frozen=True)
class Judged:
    """Scores of sampled frames: 100 * (1 - perceptual distance), or PSNR in dB.

    ``below``: how many of the ``frames`` are under ``floor``, 0 to 1.
    """

    mean: float
    worst: float
    below: float
    frames: int
    floor: float


@dataclass(frozen=True)
class EncodeReport:
    """An encoded file.

    ``size``: bytes of the whole file; ``warnings``: what the user should know, one line each; ``reached``: whether the
    requested bitrate was possible (True without a request); ``pictures``: frames sent as conventional pictures;
    ``judged``: how good it is, where a floor was asked for.
    """

    frames: int
    frame_rate: Fraction
    size: int
    point: CodingPoint
    statistics: EncoderStatistics
    seconds: float
    warnings: tuple[str, ...] = ()
    reached: bool = True
    pictures: int = 0
    judged: Judged | None = None

    @property
    def video_bytes(self) -> int:
        """Bytes of everything but audio."""
        return self.size - sum(self.statistics.bytes_by_type.get(kind, 0) for kind in _NOT_VIDEO)

    @property
    def video_kbps(self) -> float:
        """kbit/s of everything but audio."""
        return float(self.video_bytes * 8 * self.frame_rate / max(1, self.frames) / 1000)

    @property
    def audio_kbps(self) -> float:
        """kbit/s of the audio units."""
        return float((self.size - self.video_bytes) * 8 * self.frame_rate / max(1, self.frames) / 1000)

    def summary(self) -> str:
        """One line for people."""
        keys = len(self.statistics.key_frames)
        line = f"{self.frames} frames, {self.video_kbps:.2f} kbit/s video, {keys} key frame{'s' * (keys != 1)}"
        line += f", {self.pictures} frames as pictures" if self.pictures else ""
        return line + (f", {self.audio_kbps:.1f} kbit/s audio" if self.video_bytes != self.size else "")

    def to_json(self) -> dict[str, Any]:
        """Everything, for ``json.dump``."""
        statistics = self.statistics
        return {
            "schema": SCHEMA,
            "frames": self.frames,
            "frame_rate": str(self.frame_rate),
            "file_bytes": self.size,
            "video_bytes": self.video_bytes,
            "video_kbps": round(self.video_kbps, 3),
            "audio_kbps": round(self.audio_kbps, 3),
            "bytes_by_unit_type": {"SIGNATURE": 8, **statistics.bytes_by_type},
            "key_frames": [{"index": index, "reason": reason} for index, reason in statistics.key_frames],
            "picture_frames": self.pictures,
            "judged": None if self.judged is None else asdict(self.judged),
            "frame_bytes": statistics.frame_bytes,
            "coding_point": asdict(self.point),
            "bitrate_reached": self.reached,
            "seconds": round(self.seconds, 3),
            "ms_per_frame_by_stage": _per_frame(statistics.seconds_by_stage, self.frames),
            "warnings": list(self.warnings),
        }


@dataclass(frozen=True)
class DecodeReport:
    """A decoded file; ``size``: bytes of the coded one; ``synthetic``: whether the output says that it is."""

    frames: int
    frame_rate: Fraction
    size: int
    seconds: float
    seconds_by_stage: dict[str, float]
    synthetic: bool = False
    warnings: tuple[str, ...] = ()

    def summary(self) -> str:
        """One line for people."""
        return f"{self.frames} frames at {float(self.frame_rate):g}/s in {self.seconds:.1f} s"

    def to_json(self) -> dict[str, Any]:
        """Everything, for ``json.dump``."""
        return {
            "schema": SCHEMA,
            "frames": self.frames,
            "frame_rate": str(self.frame_rate),
            "file_bytes": self.size,
            "seconds": round(self.seconds, 3),
            "ms_per_frame_by_stage": _per_frame(self.seconds_by_stage, self.frames),
            "synthetic": self.synthetic,
            "warnings": list(self.warnings),
        }


def _per_frame(seconds_by_stage: dict[str, float], frames: int) -> dict[str, float]:
    return {stage: round(1000 * s / max(1, frames), 3) for stage, s in seconds_by_stage.items()}
