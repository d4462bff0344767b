"""How pictures are drawn: a network of any kind as it is, or a lite model on a CPU by all its cores at once."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from enum import Enum
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from nvc.colour import Rgb
from nvc.inference import to_network
from nvc.models.fast_lite import Drawn, FastLite
from nvc.models.folding import is_folded
from nvc.models.interface import CodecModel
from nvc.models.model import Model
from nvc.models.packed import has_fast_bfloat16
from nvc.pose import HeadMotion

_BATCH = 8  # frames drawn at once by a network as it is; more gains nothing on a CPU and costs memory
_WORTH_ROUNDING = 128  # pixels a side from which bfloat16 saves more than it costs

Picture = NDArray[np.uint8]


class Precision(Enum):
    """In what convolutions are computed; flows, warps and the copied picture are always float32."""

    AUTO = "auto"  # bfloat16 where the processor multiplies in it and the model is worth it, else float32
    FLOAT32 = "float32"
    BFLOAT16 = "bfloat16"


class Drawer(Protocol):
    """Draws heads from key pictures."""

    def prepare(self, picture: Rgb, x_c: Tensor, motion: HeadMotion) -> Any:
        """What :meth:`draw` needs of a decoded key picture uint8 [S, S, 3] with its keypoints [K, 3] and its head."""

    def draw(self, source: Any, motion: HeadMotion) -> Iterator[Picture]:
        """Pictures, uint8 [3, S, S], of B heads in order."""


class ManyDrawer(Drawer, Protocol):
    """A drawer that gains by drawing for many at once."""

    def draw_many(self, requests: Sequence[tuple[Any, HeadMotion]]) -> list[list[Picture]]:
        """The pictures of several sources and their heads, drawn together."""


class PlainDrawer:
    """Any model on any device, a few frames at a time."""

    def __init__(self, model: CodecModel, device: torch.device) -> None:
        self._model = model
        self._device = device

    def prepare(self, picture: Rgb, x_c: Tensor, motion: HeadMotion) -> Any:
        """As of `Drawer`."""
        return self._model.appearance(to_network([picture], self._device)), x_c, motion

    def draw(self, source: Any, motion: HeadMotion) -> Iterator[Picture]:
        """As of `Drawer`."""
        features, x_c, still = source
        for start in range(0, motion.angles.shape[0], _BATCH):
            drawn = self._model.render(features, x_c, still, motion[start : start + _BATCH])
            yield from (drawn.float() * 255).round_().clamp_(0, 255).byte().cpu().numpy()

    def draw_many(self, requests: Sequence[tuple[Any, HeadMotion]]) -> list[list[Picture]]:
        """As of `ManyDrawer`; one after another."""
        return [list(self.draw(source, motion)) for source, motion in requests]


class FastDrawer:
    """A lite model on a CPU: one frame a core, since frames do not wait for each other but the layers of one do."""

    def __init__(self, model: Model, *, precision: Precision = Precision.AUTO, workers: int | None = None) -> None:
        """Set up.

        Args:
            model: as `zoo.load` gives it.
            precision: of the convolutions.
            workers: frames drawn at a time; by default as many as PyTorch may use threads.
        """
        rounded = precision is Precision.BFLOAT16
        if precision is Precision.AUTO:
            rounded = has_fast_bfloat16() and model.config.side >= _WORTH_ROUNDING
        self._model = model
        self._fast = FastLite(model, dtype=torch.bfloat16 if rounded else torch.float32)
        self._workers = workers or torch.get_num_threads()
        self._pool: ThreadPoolExecutor | None = None

    def prepare(self, picture: Rgb, x_c: Tensor, motion: HeadMotion) -> Any:
        """As of `Drawer`."""
        return self._fast.prepare(self._model.appearance(to_network([picture], torch.device("cpu"))), x_c, motion)

    def draw(self, source: Any, motion: HeadMotion) -> Iterator[Picture]:
        """As of `Drawer`."""
        return self._run(self._fast.jobs(source, motion))

    def draw_many(self, requests: Sequence[tuple[Any, HeadMotion]]) -> list[list[Picture]]:
        """As of `ManyDrawer`."""
        jobs = [self._fast.jobs(source, motion) for source, motion in requests]
        pictures = self._run([job for some in jobs for job in some])
        return [[next(pictures) for _ in some] for some in jobs]

    def _run(self, jobs: list[Callable[[], Drawn]]) -> Iterator[Picture]:
        if self._workers < 2 or len(jobs) < 2:  # one frame alone: all threads work on its layers
            yield from (job().transpose(2, 0, 1) for job in jobs)
            return
        for drawn in self._threads().map(lambda job: job(), jobs):
            yield drawn.transpose(2, 0, 1)

    def _threads(self) -> ThreadPoolExecutor:
        if self._pool is None:
            here, started = torch.get_num_threads(), threading.Barrier(self._workers + 1)
            self._pool = ThreadPoolExecutor(self._workers, "nvc-drawing", lambda: torch.set_num_threads(1))
            for _ in range(self._workers):
                self._pool.submit(started.wait)
            started.wait()
            torch.set_num_threads(here)  # what the workers set would hold for every thread that starts later
        return self._pool


def drawer_for(model: CodecModel, device: torch.device, *, precision: Precision = Precision.AUTO) -> ManyDrawer:
    """The fastest way to draw with a model on a device."""
    if device.type == "cpu" and isinstance(model, Model) and is_folded(model):
        return FastDrawer(model, precision=precision)
    if device.type == "cuda" and isinstance(model, Model):
        from nvc.cuda_drawing import BatchDrawer

        return BatchDrawer(model, device, dtype=torch.float32 if precision is Precision.FLOAT32 else torch.bfloat16)
    return PlainDrawer(model, device)
