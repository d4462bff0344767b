"""Drawing on a GPU: heads of any number of streams in one batch, replayed as a CUDA graph.

Convolutions run in half precision under autocast; features of the key picture stay float32, so that what is copied
along the flow, and where from, is not rounded. The same code without graphs runs on any device, which is how it is
tested where there is no GPU.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields

import torch
from torch import Tensor

from nvc.colour import Rgb
from nvc.drawing import Picture
from nvc.inference import to_network
from nvc.models.appearance import SourceFeatures
from nvc.models.model import Model
from nvc.pose import HeadMotion

log = logging.getLogger(__name__)

BATCHES = (1, 2, 4, 8, 16, 32, 64)  # sizes that a graph is made for, when it is first needed
_WARM_UPS = 3  # runs before a capture, for cuDNN to choose and the allocator to settle


@dataclass(frozen=True)
class Lane:
    """One key picture on the device: every field has a batch of one in front."""

    picture: Tensor
    full: Tensor
    half: Tensor
    quarter: Tensor
    volume: Tensor
    x_c: Tensor
    motion: Tensor

    def tensors(self) -> list[Tensor]:
        """All fields in order."""
        return [getattr(self, field.name) for field in fields(self)]


class BatchDrawer:
    """A lite model on a GPU; a `nvc.drawing.Drawer` for one stream or many."""

    def __init__(self, model: Model, device: torch.device, *, dtype: torch.dtype | None = None) -> None:
        """``dtype`` of the convolutions: by default bfloat16 on CUDA, else float32."""
        half = torch.bfloat16 if device.type == "cuda" else torch.float32
        self._model = model
        self._device = device
        self._dtype = dtype or half
        self._graphs: dict[int, _Graph] = {}
        self._capture = device.type == "cuda"

    def prepare(self, picture: Rgb, x_c: Tensor, motion: HeadMotion) -> Lane:
        """As of `Drawer`."""
        features = self._model.appearance(to_network([picture], self._device))
        return Lane(
            picture=features.picture.float(),
            full=features.full.float(),
            half=features.half.float(),
            quarter=features.quarter.float(),
            volume=features.volume.float(),
            x_c=x_c[None],
            motion=motion.vector(),
        )

    def draw(self, source: Lane, motion: HeadMotion) -> Iterator[Picture]:
        """As of `Drawer`."""
        yield from self.draw_many([(source, motion)])[0]

    def draw_many(self, requests: Sequence[tuple[Lane, HeadMotion]]) -> list[list[Picture]]:
        """Pictures of the heads of each request, all streams in the same batches."""
        lanes = [lane for lane, motion in requests for _ in range(motion.angles.shape[0])]
        motions = torch.cat([motion.vector() for _, motion in requests]).to(self._device, torch.float32)
        pictures: list[Picture] = []
        for start in range(0, len(lanes), BATCHES[-1]):
            pictures += self._batch(lanes[start : start + BATCHES[-1]], motions[start : start + BATCHES[-1]])
        result, start = [], 0
        for _, motion in requests:
            count = motion.angles.shape[0]
            result.append(pictures[start : start + count])
            start += count
        return result

    def _batch(self, lanes: list[Lane], motions: Tensor) -> list[Picture]:
        count = len(lanes)
        size = next(size for size in BATCHES if size >= count)
        lanes = [*lanes, *lanes[-1:] * (size - count)]
        motions = torch.cat([motions, motions[-1:].expand(size - count, -1)])
        graph = self._graph_of(size, lanes[0], motions)
        if graph is None:
            inputs = [torch.cat(parts) for parts in zip(*(lane.tensors() for lane in lanes), strict=True)]
            return list(self._step(inputs, motions)[:count].cpu().numpy())
        return graph.run(lanes, motions, count)

    def _step(self, inputs: list[Tensor], motions: Tensor) -> Tensor:
        """uint8 [B, 3, S, S] of B lanes and heads."""
        *maps, x_c, still = inputs
        half = self._dtype is not torch.float32
        with torch.autocast(self._device.type, self._dtype, enabled=half, cache_enabled=False):
            moving = HeadMotion.from_vector(motions)
            drawn = self._model.draw(SourceFeatures(*maps), x_c, HeadMotion.from_vector(still), moving)[0]
        return (drawn.float().clamp(0, 1) * 255).round_().byte()

    def _graph_of(self, size: int, lane: Lane, motions: Tensor) -> _Graph | None:
        if not self._capture:
            return None
        if size not in self._graphs:
            try:
                self._graphs[size] = _Graph(self._step, lane, motions)
            except RuntimeError as error:
                log.warning("no CUDA graph, drawing goes on without: %s", error)
                self._capture = False
                return None
        return self._graphs[size]


class _Graph:
    """One batch size: inputs and outputs that stay where they are, and the kernels in between."""

    def __init__(self, step: Callable[[list[Tensor], Tensor], Tensor], lane: Lane, motions: Tensor) -> None:
        size = motions.shape[0]
        self._inputs = [x.new_empty((size, *x.shape[1:])).copy_(x.expand(size, *x.shape[1:])) for x in lane.tensors()]
        self._motions = motions.clone()
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(_WARM_UPS):
                step(self._inputs, self._motions)
        torch.cuda.current_stream().wait_stream(stream)
        self._graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self._graph, capture_error_mode="thread_local"):
            self._drawn = step(self._inputs, self._motions)
        self._held: list[Lane | None] = [None] * size
        self._landing = torch.empty(self._drawn.shape, dtype=torch.uint8, pin_memory=True)

    def run(self, lanes: list[Lane], motions: Tensor, count: int) -> list[Picture]:
        """Pictures of the first ``count`` lanes."""
        for place, lane in enumerate(lanes):
            if self._held[place] is not lane:  # a stream that keeps its place keeps its features there
                for mine, new in zip(self._inputs, lane.tensors(), strict=True):
                    mine[place].copy_(new[0], non_blocking=True)
                self._held[place] = lane
        self._motions.copy_(motions, non_blocking=True)
        self._graph.replay()
        self._landing[:count].copy_(self._drawn[:count], non_blocking=True)
        torch.cuda.current_stream().synchronize()
        return list(self._landing[:count].numpy().copy())
