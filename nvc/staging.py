"""What a receiver makes of the motion before it is drawn: expression edited, given to a portrait, seen anew."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from nvc.drawing import Drawer
from nvc.expression import ControlSpace, ExpressionEdit, ExpressionEditor
from nvc.models.interface import CodecModel
from nvc.pose import POSE_COUNT, HeadMotion
from nvc.transfer import Alignment, Portrait, Retarget, Transfer, best_frame
from nvc.view import View

_UNCHANGED = ExpressionEdit()


class Staging:
    """The wishes of one receiver; they may change between frames."""

    def __init__(
        self,
        *,
        view: View | None = None,
        edit: ExpressionEdit | None = None,
        transfer: Transfer | None = None,
    ) -> None:
        """Set up.

        Args:
            view: how to see the head.
            edit: what to do to the expression.
            transfer: a portrait to drive.
        """
        self.view, self.edit, self.transfer = view, edit, transfer
        self._first: HeadMotion | None = None
        self._track: HeadMotion | None = None
        self._rest: Tensor | None = None
        self._space: ControlSpace | None = None
        self._portrait: tuple[Transfer, Portrait, Any] | None = None
        self._seen_by: Drawer | None = None

    def restart(self) -> None:
        """Another stream begins: its first key frame is what rest and reference are by default."""
        self._first = self._track = self._rest = None

    def foresee(self, track: Tensor, expression: int) -> None:
        """All motion of the stream, [T, 7 + n]: tells the face at rest, and the frame most like a portrait.

        ``expression``: coefficients N that the model has; those that the stream leaves out are 0.
        """
        padded = torch.nn.functional.pad(track.float(), (0, POSE_COUNT + expression - track.shape[1]))
        self._track, self._rest = (HeadMotion.from_vector(padded) if len(padded) else None), None

    @property
    def changes(self) -> bool:
        """Whether anything is other than the stream says."""
        return self.synthetic or self.view not in (None, View())

    @property
    def synthetic(self) -> bool:
        """Whether the person is made to do what they did not: another face, or another expression."""
        return self.transfer is not None or self.edit not in (None, _UNCHANGED)

    @property
    def what(self) -> str:
        """What makes the output synthetic, in words; empty if nothing does."""
        parts = ["motion transfer"] if self.transfer is not None else []
        return " and ".join(parts + (["expression editing"] if self.edit not in (None, _UNCHANGED) else []))

    def start(self, key_motion: HeadMotion) -> None:
        """A key frame has come; the first one is what rest and reference are by default."""
        if self._first is None:
            self._first = HeadMotion.from_vector(key_motion.vector().float())

    def source(self, model: CodecModel, device: torch.device, drawer: Drawer) -> Any:
        """The portrait as the drawer takes it, or None when the stream's own pictures are drawn from."""
        if self.transfer is None:
            return None
        if self._portrait is None or self._portrait[0] is not self.transfer or self._seen_by is not drawer:
            portrait = Portrait.of(self.transfer.portrait, model, device)
            with torch.inference_mode():
                prepared = drawer.prepare(portrait.picture, portrait.x_c, portrait.motion)
            self._portrait, self._seen_by = (self.transfer, portrait, prepared), drawer
        return self._portrait[2]

    def apply(self, motion: HeadMotion, model: CodecModel) -> HeadMotion:
        """The heads as they are to be drawn."""
        if self.edit not in (None, _UNCHANGED):
            motion = self._edited(motion, model)
        if self.transfer is not None and self._portrait is not None:
            motion = self._retargeted(motion, self.transfer, self._portrait[1])
        return motion if self.view is None else self.view.apply(motion)

    def _edited(self, motion: HeadMotion, model: CodecModel) -> HeadMotion:
        if self._space is None:
            self._space = ControlSpace.of(model)
        if self._rest is None:
            known = self._track or self._first or motion[:1]
            self._rest = self._space.rest_of(known.expression.float().cpu())
        return ExpressionEditor(self.edit or _UNCHANGED, self._space, self._rest).apply(motion)

    def _retargeted(self, motion: HeadMotion, transfer: Transfer, portrait: Portrait) -> HeadMotion:
        if transfer.reference is not None:
            reference = HeadMotion.from_vector(transfer.reference[None].to(motion.angles))
        elif self._track is not None and transfer.align is Alignment.BEST:
            best = best_frame(self._track, _on_cpu(portrait.motion))
            reference = self._track[best : best + 1]
        else:
            reference = self._first or motion[:1]
        found, wanted = reference.expression.shape[1], portrait.motion.expression.shape[1]
        if found != wanted:
            raise ValueError(f"a reference has {POSE_COUNT + wanted} numbers, not {POSE_COUNT + found}")
        reference = HeadMotion.from_vector(reference.vector().to(motion.angles))
        return Retarget(transfer.mode, portrait.motion, reference).apply(motion)


def _on_cpu(motion: HeadMotion) -> HeadMotion:
    return HeadMotion.from_vector(motion.vector().cpu())
