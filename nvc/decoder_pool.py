"""Many streams at once: each has its own decoder, all of them draw in the same batches."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from bitstream import BitstreamError, Limits
from nvc.colour import Rgb
from nvc.decoder import Decoder
from nvc.device import choose_device
from nvc.drawing import ManyDrawer, Picture, Precision, drawer_for
from nvc.inference import load_model
from nvc.models import zoo
from nvc.models.interface import CodecModel
from nvc.pose import HeadMotion


@dataclass
class _Request:
    source: Any
    motion: HeadMotion
    done: threading.Event = field(default_factory=threading.Event)
    pictures: list[Picture] = field(default_factory=list)
    error: BaseException | None = None


class GatheringDrawer:
    """Draws for many threads: when all that are at work wait for pictures, theirs are drawn as one batch."""

    def __init__(self, drawer: ManyDrawer) -> None:
        self._drawer = drawer
        self._lock = threading.Lock()
        self._working = 0
        self._waiting: list[_Request] = []
        self.batches: list[int] = []  # heads in each batch so far

    def prepare(self, picture: Rgb, x_c: Tensor, motion: HeadMotion) -> Any:
        """As of `Drawer`."""
        with self._lock:
            return self._drawer.prepare(picture, x_c, motion)

    def draw(self, source: Any, motion: HeadMotion) -> Iterator[Picture]:
        """As of `Drawer`; waits until everybody else is waiting too."""
        request = _Request(source, motion)
        with self._lock:
            self._waiting.append(request)
            batch = self._due()
        self._run(batch)
        request.done.wait()
        if request.error is not None:
            raise request.error
        yield from request.pictures

    def begin(self, count: int) -> None:
        """``count`` more threads are at work."""
        with self._lock:
            self._working += count

    def end(self) -> None:
        """One thread has done its work."""
        with self._lock:
            self._working -= 1
            batch = self._due()
        self._run(batch)

    def _due(self) -> list[_Request]:
        if not self._waiting or len(self._waiting) < self._working:
            return []
        batch, self._waiting = self._waiting, []
        return batch

    def _run(self, batch: list[_Request]) -> None:
        if not batch:
            return
        self.batches.append(sum(request.motion.angles.shape[0] for request in batch))
        try:
            with torch.inference_mode():
                drawn = self._drawer.draw_many([(request.source, request.motion) for request in batch])
            for request, pictures in zip(batch, drawn, strict=True):
                request.pictures = pictures
        except BaseException as error:
            for request in batch:
                request.error = error
        for request in batch:
            request.done.set()


@dataclass(frozen=True)
class Decoded:
    """What came of one stream's bytes: ``pictures``, uint8 [3, S, S] each, and the ``error`` if they were not valid."""

    pictures: list[Picture]
    error: BitstreamError | None = None


class DecoderPool:
    """Decoders of many streams of one model, drawn together: what a server or a conference has."""

    def __init__(
        self,
        *,
        model: str | Path | CodecModel = zoo.DEFAULT_MODEL,
        device: str = "auto",
        limits: Limits | None = None,
        precision: str | Precision = Precision.AUTO,
    ) -> None:
        """Set up; the arguments are those of `Decoder`."""
        self.device = choose_device(device)
        self._model = load_model(model, self.device)
        self._limits = limits
        drawer = drawer_for(self._model, self.device, precision=Precision(precision))
        self._drawer = GatheringDrawer(drawer)
        self._decoders: dict[object, Decoder] = {}
        self._threads: ThreadPoolExecutor | None = None
        self._thread_count = 0

    @property
    def batches(self) -> list[int]:
        """How many heads were drawn in each batch so far."""
        return self._drawer.batches

    def decoder(self, stream: object) -> Decoder:
        """The decoder of a stream, made when it is first named. Use it to conceal, look and edit."""
        if stream not in self._decoders:
            self._decoders[stream] = Decoder(
                model=self._model, device=str(self.device), limits=self._limits, drawer=self._drawer
            )
        return self._decoders[stream]

    def close(self, stream: object) -> None:
        """Forget a stream."""
        self._decoders.pop(stream, None)

    def decode(self, data: Mapping[object, bytes]) -> dict[object, Decoded]:
        """Bytes of some streams to the frames that are now due; an error of one leaves the others alone."""
        decoders = [(stream, self.decoder(stream), portion) for stream, portion in data.items()]
        if not decoders:
            return {}
        threads = self._threads_for(len(decoders))
        self._drawer.begin(len(decoders))
        jobs = {stream: threads.submit(self._one, decoder, portion) for stream, decoder, portion in decoders}
        return {stream: job.result() for stream, job in jobs.items()}

    def _threads_for(self, count: int) -> ThreadPoolExecutor:
        """A thread for each stream: they wait for each other, so none may wait for a thread."""
        if self._threads is None or self._thread_count < count:
            if self._threads is not None:
                self._threads.shutdown()
            self._thread_count = 2 * count
            self._threads = ThreadPoolExecutor(self._thread_count, "nvc-streams")
        return self._threads

    def _one(self, decoder: Decoder, data: bytes) -> Decoded:
        try:
            return Decoded(decoder.decode(data))
        except BitstreamError as error:
            return Decoded([], error)
        finally:
            self._drawer.end()
