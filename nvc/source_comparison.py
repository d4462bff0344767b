"""How badly a picture serves as the source of a frame: drawn and looked at, or guessed from how the heads differ."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np
import torch

from nvc.analysis import FramePlan
from nvc.colour import Rgb
from nvc.drawing import Drawer, drawer_for
from nvc.inference import to_network
from nvc.judging import Judge
from nvc.key_input import KeyInput, Vector
from nvc.models.interface import CodecModel
from nvc.picture_coder import Preset
from nvc.pose import HeadMotion
from nvc.rate import Tune
from nvc.source_choice import EFFORTS, Costs, SourceChooser
from nvc.source_mix import HeldSource, source_costs

_PER_DECIBEL = 0.03  # perceptual distance that goes with a decibel, over pictures that this network draws
_PER_UNLIKENESS = 0.08  # and with a unit of what `source_costs` says


class ModelComparison:
    """Compares with the networks of a model, and judges as the encoder is tuned."""

    def __init__(self, model: CodecModel, judge: Judge, *, device: torch.device) -> None:
        self._model = model
        self._judge = judge
        self._device = device
        self._drawer: Drawer | None = None

    def guessed(self, sources: Sequence[Vector], frames: Sequence[Vector]) -> Costs:
        """See :class:`nvc.source_choice.Comparison`."""
        heads, x_c = self._heads(frames), self._model.mean_keypoints.float()
        unlike = [
            source_costs(HeldSource(None, x_c, self._heads([vector])), heads, self._model.expression_basis)[:, -1]
            for vector in sources
        ]
        return _PER_UNLIKENESS * torch.stack(unlike).double().cpu().numpy()

    def drawn(self, key: KeyInput, frames: Sequence[Vector], originals: Sequence[Rgb]) -> Costs:
        """See :class:`nvc.source_choice.Comparison`."""
        if self._drawer is None:
            self._drawer = drawer_for(self._model, self._device)
        with torch.inference_mode():
            x_c = torch.from_numpy(key.canonical).to(self._device)
            source = self._drawer.prepare(key.picture, x_c, self._heads([key.motion]))
            shown = [picture.transpose(1, 2, 0) for picture in self._drawer.draw(source, self._heads(frames))]
        if self._judge.tune is Tune.PSNR:
            return -_PER_DECIBEL * self._judge.scores(originals, shown)
        return self._judge.distances(originals, shown)

    def canonical(self, picture: Rgb) -> Vector:
        """See :class:`nvc.source_choice.Comparison`."""
        with torch.inference_mode():
            found = self._model.canonical(to_network([picture], self._device))[0]
        return found.float().cpu().numpy()

    def _heads(self, vectors: Sequence[Vector]) -> HeadMotion:
        return HeadMotion.from_vector(torch.from_numpy(np.stack(vectors)).to(self._device))


def source_chooser(
    plans: Sequence[FramePlan],
    some: Callable[[Iterable[int]], dict[int, Rgb]],
    model: CodecModel,
    *,
    device: torch.device,
    tune: Tune,
    preset: Preset,
    frame_rate: float,
    held: int,
) -> SourceChooser:
    """What chooses a video's sources."""
    comparison = ModelComparison(model, Judge(model, device=device, tune=tune), device=device)
    return SourceChooser(plans, some, comparison, frame_rate=frame_rate, effort=EFFORTS[preset], held=held)
