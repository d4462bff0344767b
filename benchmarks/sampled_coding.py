"""Coding the same file at many rates, and decoding only the frames that are looked at."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from bitstream.stream import Frame as CodedFrame
from bitstream.stream import FrameKind
from nvc.analysis import FramePlan
from nvc.decoder import Decoder
from nvc.file_encoder import FileEncoder
from nvc.film import Film
from nvc.renderer import Picture
from nvc.source_choice import SourceChooser


class SampledDecoder(Decoder):
    """Draws the frames that are compared and no others; the rest comes out black."""

    wanted: frozenset[int] = frozenset()

    def _draw(self, run: list[CodedFrame]) -> list[Picture]:
        if run[0].kind is FrameKind.PICTURE:
            return super()._draw(run)
        kept = [frame for frame in run if frame.presentation_index in self.wanted]
        drawn = dict(zip((f.presentation_index for f in kept), super()._draw(kept) if kept else [], strict=True))
        side = 16 if self.sequence is None else self.sequence.side
        black = np.zeros((3, side, side), np.uint8)
        return [drawn.get(frame.presentation_index, black) for frame in run]


class SharedAnalysis(FileEncoder):
    """Analyses a file once for all rates, which changes nothing but the time."""

    known: ClassVar[dict[str, tuple[Film, list[FramePlan]]]] = {}
    choosers: ClassVar[dict[str, SourceChooser]] = {}

    def _analyse(self) -> list[FramePlan]:
        name = str(self._reader._path)
        if name not in self.known:
            plans = super()._analyse()
            self.known[name] = self._film, plans
        self._film, plans = self.known[name]
        return plans

    def _chooser(self, plans: list[FramePlan]) -> SourceChooser:
        name = str(self._reader._path)
        if name not in self.choosers:
            self.choosers[name] = super()._chooser(plans)
        return self.choosers[name]
