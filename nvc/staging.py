"""What a receiver makes of the motion before it is drawn: expression edited, given to a portrait, seen anew."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from nvc.drawing import Drawer
from nvc.expression import ControlSpace, ExpressionEdit, ExpressionEditor
from nvc.models.interface import CodecModel
from nvc.pose import POSE_COUNT, HeadMotion
from nvc.transfer import Portrait, Retarget, Transfer
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
        rest: Tensor | None = None,
    ) -> None:
        """Set up.

        Args:
            view: how to see the head.
            edit: what to do to the expression.
            transfer: a portrait to drive.
            rest: coefficients [N] of the face at rest; by default the first key picture's.
        """
        self.view, self.edit, self.transfer, self.rest = view, edit, transfer, rest
        self._first: HeadMotion | None = None
        self._space: ControlSpace | None = None
        self._portrait: tuple[Transfer, Portrait, Any] | None = None

    def restart(self) -> None:
        """Another stream begins: its first key frame is what rest and reference are by default."""
        self._first = None

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
        if self._portrait is None or self._portrait[0] is not self.transfer:
            portrait = Portrait.of(self.transfer.portrait, model, device)
            with torch.inference_mode():
                prepared = drawer.prepare(portrait.picture, portrait.x_c, portrait.motion)
            self._portrait = (self.transfer, portrait, prepared)
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
        rest = self.rest
        if rest is None:
            rest = motion.expression[0] if self._first is None else self._first.expression[0]
        return ExpressionEditor(self.edit or _UNCHANGED, self._space, rest).apply(motion)

    def _retargeted(self, motion: HeadMotion, transfer: Transfer, portrait: Portrait) -> HeadMotion:
        if transfer.reference is not None:
            reference = HeadMotion.from_vector(transfer.reference[None].to(motion.angles))
        else:
            reference = motion[:1] if self._first is None else self._first
        found, wanted = reference.expression.shape[1], portrait.motion.expression.shape[1]
        if found != wanted:
            raise ValueError(f"a reference has {POSE_COUNT + wanted} numbers, not {POSE_COUNT + found}")
        return Retarget(transfer.mode, portrait.motion, reference).apply(motion)
