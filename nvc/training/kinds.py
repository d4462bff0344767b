"""Which task trains which preset, and what labels it needs."""

from __future__ import annotations

from nvc.models.config import PRESETS
from nvc.models.paper_config import PAPER_PRESETS
from nvc.models.prior import PRIOR_PRESETS
from nvc.training.backbone import paper_perceptual
from nvc.training.labels import KEYPOINTS
from nvc.training.losses import SqueezeFeatures
from nvc.training.paper_task import PaperTask
from nvc.training.prior import LANDMARK_INDEX
from nvc.training.prior_task import PriorTask
from nvc.training.task import LiteTask, Task
from nvc.training.vgg import VggFeatures

_POSE_LABELS = 32  # expression numbers that label the clips of a model that uses none of them


def label_sizes(preset: str) -> tuple[int, int]:
    """Keypoints and expression coefficients that clips are labelled with for a preset.

    Raises:
        ValueError: no such preset.
    """
    if preset in PRESETS:
        return PRESETS[preset].keypoints, PRESETS[preset].expression
    if preset in PRIOR_PRESETS:
        return len(KEYPOINTS), PRIOR_PRESETS[preset].expression
    if preset in PAPER_PRESETS:
        return len(KEYPOINTS), _POSE_LABELS
    raise _unknown(preset)


def label_index(preset: str) -> tuple[int, ...] | None:
    """Which of the labels' keypoints are the model's own; None where it has others, as the paper's has."""
    if preset in PAPER_PRESETS:
        return None
    return LANDMARK_INDEX if preset in PRIOR_PRESETS else tuple(range(len(KEYPOINTS)))


def task_for(preset: str, backbone: SqueezeFeatures | VggFeatures, face: VggFeatures | None = None) -> Task:
    """The task that trains a preset.

    Args:
        preset: its name.
        backbone: feature network of the perceptual loss.
        face: VGG-Face, for the paper's and the prior model's perceptual loss.

    Raises:
        ValueError: no such preset.
    """
    if preset in PRESETS:
        return LiteTask(backbone)
    if preset in PAPER_PRESETS:
        return PaperTask(paper_perceptual(backbone, face))
    if preset in PRIOR_PRESETS:
        return PriorTask(paper_perceptual(backbone, face))
    raise _unknown(preset)


def _unknown(preset: str) -> ValueError:
    known = ", ".join([*PRESETS, *PAPER_PRESETS, *PRIOR_PRESETS])
    return ValueError(f"no preset {preset!r}; known are {known}")
