"""Units in, frames out."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from torch import Tensor

from bitstream import (
    BitstreamError,
    KeyFrame,
    KeyUse,
    Limits,
    ModelMismatch,
    Sequence,
    Unit,
    UnitReader,
    UnitType,
)
from bitstream import Picture as PictureUnit
from bitstream.stream import MAX_SKIPPED_FRAMES, FrameKind, StreamDecoder, conceal
from bitstream.stream import Frame as CodedFrame
from nvc.device import choose_device
from nvc.drawing import Drawer, Precision, drawer_for
from nvc.expression import ExpressionEdit
from nvc.inference import load_model
from nvc.models import zoo
from nvc.models.interface import CodecModel
from nvc.picture_decoder import PictureRoad, shown_picture
from nvc.renderer import Picture, Renderer, same_source
from nvc.staging import Staging
from nvc.statistics import DecoderStatistics
from nvc.transfer import Transfer
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
        edit: ExpressionEdit | None = None,
        transfer: Transfer | None = None,
        limits: Limits | None = None,
        precision: str | Precision = Precision.AUTO,
        drawer: Drawer | None = None,
    ) -> None:
        """Set up.

        Args:
            model: a shipped model's name, a safetensors file, or a model; by default the shipped one that the
                stream names.
            device: ``auto``, ``cpu`` or ``cuda[:N]``.
            view: how to see the head; may be changed between frames by setting ``decoder.view``.
            edit: what to do to the expression; may be changed by setting ``decoder.edit``.
            transfer: a portrait to drive with the stream's motion; may be changed by setting ``decoder.transfer``.
            limits: bounds on what a stream may ask for.
            precision: of the convolutions: ``auto``, ``float32`` or ``bfloat16``.
            drawer: what draws with the given model, where several decoders share one: see `nvc.decoder_pool`.
        """
        self.device = choose_device(device)
        self.staging = Staging(view=view, edit=edit, transfer=transfer)
        self._given = None if model is None else load_model(model, self.device)
        self._model = self._given
        self._precision = Precision(precision)
        self._drawer = drawer
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
        self._road = PictureRoad()
        self._last: Picture | None = None
        self._last_coded: CodedFrame | None = None
        self._last_sequence: Sequence | None = None
        self._lost = 0
        self._track: Tensor | None = None
        self.staging.restart()

    @property
    def view(self) -> View | None:
        """How the head is seen."""
        return self.staging.view

    @view.setter
    def view(self, view: View | None) -> None:
        self.staging.view = view

    @property
    def edit(self) -> ExpressionEdit | None:
        """What is done to the expression."""
        return self.staging.edit

    @edit.setter
    def edit(self, edit: ExpressionEdit | None) -> None:
        self.staging.edit = edit

    @property
    def transfer(self) -> Transfer | None:
        """The portrait that is driven instead of the stream's own pictures."""
        return self.staging.transfer

    @transfer.setter
    def transfer(self, transfer: Transfer | None) -> None:
        self.staging.transfer = transfer

    def foresee(self, track: Tensor) -> None:
        """Say what all motion of the stream will be, [T, 7 + N] as `nvc.motion_track` reads it from a file.

        It tells what the face at rest is, for editing, and which frame a portrait should stand for.
        """
        self._track = track

    @property
    def sequence(self) -> Sequence | None:
        """The SEQUENCE in force."""
        return self._stream.sequence

    @property
    def key(self) -> KeyFrame | None:
        """The last key frame."""
        return self._stream.key

    @property
    def drawings(self) -> int:
        """Pictures that the network has drawn from the stream's sources since the last SEQUENCE that changed."""
        return 0 if self._renderer is None else self._renderer.drawings

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
            self.damage()
            raise

    def decode_unit(self, unit: Unit) -> list[Picture]:
        """As :meth:`decode`, for a unit that has been read already."""
        if not isinstance(unit.type, UnitType):
            return []  # ancillary, of a later version
        try:
            coded = self._stream.decode(unit)
            self._follow_sequence()
            payload = self._stream.payload
            if unit.type is UnitType.KEYFRAME and isinstance(payload, KeyFrame):
                pictures = self._key_frame(payload, coded, KeyUse.of(unit.extension))
            elif isinstance(payload, PictureUnit) and coded and coded[0].kind is FrameKind.PICTURE:
                pictures = self._show_all(self._road.decode(payload, coded))
            elif coded or unit.type is UnitType.END:
                pictures = self._show_all(self._road.drain()) + self._draw_all(coded)
            else:
                pictures = []
        except BitstreamError:
            self.damage()
            raise
        return pictures

    def close(self) -> None:
        """Say that the stream has ended.

        Raises:
            Truncated: it ended inside a unit.
        """
        self._reader.close()

    def damage(self) -> None:
        """Say that something was lost: motion waits for a key frame or a RESYNC, as after :meth:`conceal`."""
        self._stream.damage()
        self._road.forget()

    def conceal(self) -> Picture | None:
        """A packet was lost: the frame to show instead of its first, or None before the first key frame.

        The last motion is held for five frames and then turns towards the key frame, whose picture shows it best; a
        picture whose source is not held any more, or that had none, stays as it is. Call it once for every frame that
        is missing; those frames are not given out again if they come late.
        """
        self.damage()
        key, last = self._stream.key, self._last_coded
        if last is None:
            return None
        self._lost += 1
        frame = CodedFrame(last.presentation_index + 1, FrameKind.CONCEALED)
        same = self._last_sequence is self._stream.sequence and set(last.sources) <= set(self._stream.slots)
        if key is not None and last.values and same:
            frame = replace(frame, values=conceal(last.values, key.values, self._lost), sources=last.sources)
        return self._draw_all([frame])[0]

    def _follow_sequence(self) -> None:
        sequence = self._stream.sequence
        if sequence is None or sequence is self._drawn_sequence:
            return
        model = self._fitting_model(sequence)
        if self._track is not None:
            self.staging.foresee(self._track, model.config.expression)
        if self._drawer is None:
            self._drawer = drawer_for(model, self.device, precision=self._precision)
        self._renderer = Renderer(model, sequence, self.device, self.statistics, self._drawer)
        self._drawn_sequence = sequence

    def _fitting_model(self, sequence: Sequence) -> CodecModel:
        """The model that the stream names, loaded when it is first needed."""
        if self._model is None or self._model.model_id != sequence.model_id:
            name = zoo.find(sequence.model_id)
            if name is None:
                known = ", ".join(zoo.shipped())
                raise ModelMismatch(f"the stream needs model {sequence.model_id.hex()}; shipped are {known}")
            self._model, self._drawer = load_model(name, self.device), None
        return self._model

    def _draw_all(self, coded: list[CodedFrame]) -> list[Picture]:
        """Draw frames that have not been shown; indices that were left out show the frame before them again."""
        shown = -1 if self._last_coded is None else self._last_coded.presentation_index
        pictures: list[Picture] = []
        for run in same_source([frame for frame in coded if frame.presentation_index > shown]):
            pictures += self._show_all(list(zip(run, self._draw(run), strict=True)))
        return pictures

    def _key_frame(self, key: KeyFrame, coded: list[CodedFrame], use: KeyUse) -> list[Picture]:
        """Frames lost before the key frame are drawn from the key picture before it; then its own, if it has one."""
        late: list[Picture] = []
        with suppress(BitstreamError):  # what is wrong with older pictures does no harm to this one
            late = self._show_all(self._road.drain())
        own = [] if use is KeyUse.SOURCE_ONLY else coded[-1:]
        pictures = late + self._draw_all(coded[: len(coded) - len(own)])
        if self._renderer is None:
            return pictures
        head = self._renderer.add_source(key)
        spec, side = self._renderer.spec, self._renderer.side
        self._road.start(key, spec=spec, side=side)
        if use is not KeyUse.SHOWN_AS_DECODED:
            self.staging.start(head)
            return pictures + self._draw_all(own)
        if self.transfer is None:
            return pictures + self._show_all([(coded[-1], shown_picture(key, spec=spec, side=side))])
        # Its head is not known, so a portrait that is driven keeps still.
        return pictures + (
            self._draw_all(coded[-1:]) if self._last is None else self._show_all([(coded[-1], self._last)])
        )

    def _show_all(self, due: list[tuple[CodedFrame, Picture]]) -> list[Picture]:
        """Give out frames with their pictures, those again that were left out before them."""
        pictures: list[Picture] = []
        for frame, shown in due:
            if self._last_coded is not None and frame.presentation_index <= self._last_coded.presentation_index:
                continue  # concealed long ago
            # Pictures that no network drew show the sender's face: where another one is driven, it keeps still.
            hidden = frame.kind is FrameKind.PICTURE and self.transfer is not None and self._last is not None
            picture = self._last if hidden and self._last is not None else shown
            pictures += [*self._repeats_before(frame), picture]
            concealed = frame.kind is FrameKind.CONCEALED
            self._last, self._last_coded, self._last_sequence = picture, frame, self._stream.sequence
            self._lost = self._lost if concealed else 0
            self.statistics.concealed += concealed
        self.statistics.frames += len(pictures)
        return pictures

    def _repeats_before(self, frame: CodedFrame) -> list[Picture]:
        if self._last is None or self._last_coded is None:
            return []
        skipped = frame.presentation_index - self._last_coded.presentation_index - 1
        return [self._last] * min(max(0, skipped), MAX_SKIPPED_FRAMES)  # more only after damage, maybe by an attacker

    def _draw(self, run: list[CodedFrame]) -> list[Picture]:
        held = self._last_coded is not None and all(frame.values == self._last_coded.values for frame in run)
        if self._renderer is None or not run[0].values or (held and run[0].kind is FrameKind.CONCEALED):
            return [] if self._last is None else [self._last] * len(run)
        return self._renderer.render([frame.values for frame in run], run[0].sources, self.staging)
