"""Units in, frames out."""

from __future__ import annotations

from pathlib import Path

from bitstream import BitstreamError, Limits, ModelMismatch, Sequence, Unit, UnitReader, UnitType, Unsupported
from bitstream.stream import Frame as CodedFrame
from bitstream.stream import FrameKind, StreamDecoder, conceal
from nvc.device import choose_device
from nvc.inference import load_model
from nvc.models import zoo
from nvc.models.interface import CodecModel
from nvc.renderer import Picture, Renderer
from nvc.statistics import DecoderStatistics
from nvc.view import View


class Decoder:
    """A streaming decoder: bytes of a stream in portions of any size, frames out.

    Every error of a stream is a BitstreamError. After one, or after :meth:`conceal`, motion waits for the next key
    frame, or in an error-resilient stream for the next RESYNC.
    """

    def __init__(
        self,
        *,
        model: str | Path | CodecModel | None = None,
        device: str = "auto",
        view: View | None = None,
        limits: Limits | None = None,
    ) -> None:
        """Set up.

        Args:
            model: a shipped model's name, a safetensors file, or a model; by default the shipped one that the
                stream names.
            device: ``auto``, ``cpu`` or ``cuda[:N]``.
            view: how to see the head; may be changed between frames by setting ``decoder.view``.
            limits: bounds on what a stream may ask for.
        """
        self.device = choose_device(device)
        self.view = view
        self._given = None if model is None else load_model(model, self.device)
        self._model = self._given
        self._limits = limits
        self.reset()

    def reset(self) -> None:
        """Be as new: forget the stream. A model that is loaded stays."""
        self.statistics = DecoderStatistics()
        self._reader = UnitReader(self._limits)
        model_id = None if self._given is None else self._given.model_id
        self._stream = StreamDecoder(model_id=model_id, limits=self._limits)
        self._renderer: Renderer | None = None
        self._drawn_sequence: Sequence | None = None
        self._last: Picture | None = None
        self._last_coded: CodedFrame | None = None
        self._lost = 0

    @property
    def sequence(self) -> Sequence | None:
        """The SEQUENCE in force."""
        return self._stream.sequence

    @property
    def ended(self) -> bool:
        """Whether the END unit has come."""
        return self._reader.ended

    def decode(self, data: bytes) -> list[Picture]:
        """Take bytes of the stream: a packet of whole units, or any portion of a file.

        Returns:
            The frames that are now due, each uint8 [3, S, S] RGB; an empty list while nothing is.

        Raises:
            BitstreamError: the bytes are not a valid stream, or need a model that is not here.
        """
        try:
            return [picture for unit in self._reader.feed(data) for picture in self.decode_unit(unit)]
        except BitstreamError:
            # What follows the damage is not looked at: the next bytes must begin with a unit again.
            self._reader = UnitReader(self._limits)
            self._stream.damage()
            raise

    def decode_unit(self, unit: Unit) -> list[Picture]:
        """As :meth:`decode`, for a unit that has been read already."""
        if not isinstance(unit.type, UnitType):
            return []  # ancillary, of a later version
        try:
            coded = self._stream.decode(unit)
            self._follow_sequence()
            # Frames lost before a key frame are drawn from the key picture before it.
            pictures = self._draw_all(coded[:-1] if unit.type is UnitType.KEYFRAME else coded)
            if unit.type is UnitType.KEYFRAME and self._renderer is not None and self._stream.key is not None:
                self._renderer.add_source(self._stream.key)
                pictures += self._draw_all(coded[-1:])
        except BitstreamError:
            self._stream.damage()
            raise
        return pictures

    def close(self) -> None:
        """Say that the stream has ended.

        Raises:
            Truncated: it ended inside a unit.
        """
        self._reader.close()

    def conceal(self) -> Picture | None:
        """A packet was lost: the frame to show instead of its first, or None before the first key frame.

        The last motion is held for five frames and then turns towards the key frame, whose picture shows it best.
        Call it once for every frame that is missing; those frames are not given out again if they come late.
        """
        self._stream.damage()
        key, last = self._stream.key, self._last_coded
        if key is None or last is None or not last.values:
            return self._last
        self._lost += 1
        values = conceal(last.values, key.values, self._lost)
        frame = CodedFrame(last.presentation_index + 1, FrameKind.CONCEALED, values, last.sources)
        return self._draw_all([frame])[0]

    def _follow_sequence(self) -> None:
        sequence = self._stream.sequence
        if sequence is None or sequence is self._drawn_sequence:
            return
        self._renderer = Renderer(self._fitting_model(sequence), sequence, self.device, self.statistics)
        self._drawn_sequence = sequence

    def _fitting_model(self, sequence: Sequence) -> CodecModel:
        """The model that the stream names, loaded when it is first needed."""
        if self._model is None or self._model.model_id != sequence.model_id:
            name = zoo.find(sequence.model_id)
            if name is None:
                known = ", ".join(zoo.shipped())
                raise ModelMismatch(f"the stream needs model {sequence.model_id.hex()}; shipped are {known}")
            self._model = load_model(name, self.device)
        return self._model

    def _draw_all(self, coded: list[CodedFrame]) -> list[Picture]:
        """Draw frames that have not been shown; indices that were left out show the frame before them again."""
        shown = -1 if self._last_coded is None else self._last_coded.presentation_index
        pictures: list[Picture] = []
        for run in _same_source([frame for frame in coded if frame.presentation_index > shown]):
            for frame, picture in zip(run, self._draw(run), strict=True):
                pictures += [*self._repeats_before(frame), picture]
                concealed = frame.kind is FrameKind.CONCEALED
                self._last, self._last_coded = picture, frame
                self._lost = self._lost if concealed else 0
                self.statistics.concealed += concealed
        self.statistics.frames += len(pictures)
        return pictures

    def _repeats_before(self, frame: CodedFrame) -> list[Picture]:
        if self._last is None or self._last_coded is None:
            return []
        return [self._last] * max(0, frame.presentation_index - self._last_coded.presentation_index - 1)

    def _draw(self, run: list[CodedFrame]) -> list[Picture]:
        if run[0].kind is FrameKind.PICTURE:
            raise Unsupported("PICTURE units are not decoded by this version")
        held = self._last_coded is not None and all(frame.values == self._last_coded.values for frame in run)
        if self._renderer is None or not run[0].values or (held and run[0].kind is FrameKind.CONCEALED):
            return [] if self._last is None else [self._last] * len(run)
        return self._renderer.render([frame.values for frame in run], run[0].sources[-1], self.view)


def _same_source(frames: list[CodedFrame]) -> list[list[CodedFrame]]:
    """Frames in runs of the same kind that are drawn from the same source."""
    runs: list[list[CodedFrame]] = []
    for frame in frames:
        last = runs[-1][-1] if runs else None
        if last is not None and (last.sources, last.kind) == (frame.sources, frame.kind):
            runs[-1].append(frame)
        else:
            runs.append([frame])
    return runs
