"""Expression editing: named controls as directions in the model's space of expression coefficients.

The controls are data, found from labels by `nvc.training.expression_directions`: what each does to the keypoints, and
the linear measure that reads how much of it there is. They know nothing of weights; a model's expression basis turns
them into directions of its coefficients.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from nvc.models.interface import CodecModel
from nvc.models.paper import PaperModel
from nvc.pose import HeadMotion

CONTROLS_FILE = Path(__file__).resolve().parent / "weights" / "expression.json"
BOTH = {"blink": ("blink_left", "blink_right")}
"""Names that stand for several controls."""

MOST_AMOUNT, MOST_EXAGGERATION = 3.0, 3.0
_SETTING = re.compile(r"\s*(?P<name>[a-z_]+)\s*(?P<how>\+=|-=|=)\s*(?P<amount>[-+0-9.eE]+)\s*")


class ExpressionUnavailable(ValueError):
    """A control that there is not, or not with this model."""


@dataclass(frozen=True)
class Setting:
    """One control: ``amount`` is set, or added to what the face does. 0 is the face at rest, 1 a full smile."""

    name: str
    amount: float
    add: bool = False


@dataclass(frozen=True)
class ExpressionEdit:
    """What is to become of the expression.

    Attributes:
        settings: controls to set or add to, in order.
        strength: what the face does is multiplied by this first: 0 neutralises, 2 doubles; 0 to 3.
    """

    settings: tuple[Setting, ...] = ()
    strength: float = 1.0

    def __post_init__(self) -> None:
        if not 0 <= self.strength <= MOST_EXAGGERATION:
            raise ValueError(f"strength is {self.strength}; it must be 0 to {MOST_EXAGGERATION:g}")
        for setting in self.settings:
            if setting.name not in control_names():
                known = ", ".join(control_names())
                raise ExpressionUnavailable(f"there is no expression control {setting.name!r}; there are {known}")
            if not abs(setting.amount) <= MOST_AMOUNT:
                limit = f"-{MOST_AMOUNT:g} to {MOST_AMOUNT:g}"
                raise ValueError(f"{setting.name} is {setting.amount}; it must be {limit}")

    @classmethod
    def parse(cls, text: str, *, strength: float = 1.0) -> ExpressionEdit:
        """``smile=0.6,blink=0,jaw+=0.2``: amounts set with ``=``, added with ``+=``, taken off with ``-=``.

        Raises ValueError for anything else, ExpressionUnavailable for an unknown control.
        """
        settings = []
        for part in text.split(",") if text.strip() else []:
            match = _SETTING.fullmatch(part)
            try:
                amount = float(match["amount"]) if match else float("nan")
            except ValueError:
                match = None
            if match is None:
                raise ValueError(f"{part.strip()!r} is no expression setting; it must be like smile=0.6 or jaw+=0.2")
            settings.append(Setting(match["name"], -amount if match["how"] == "-=" else amount, match["how"] != "="))
        return cls(tuple(settings), strength)

    def warnings(self) -> tuple[str, ...]:
        """What looks unlikely to come out well, one sentence each."""
        far = [s.name for s in self.settings if not (-1 if _goes_both_ways(s.name) else -0.5) <= s.amount <= 1]
        sentences = [f"{name} goes beyond what faces in the training data do" for name in far]
        if self.strength > 1.5:
            sentences.append("expressions exaggerated by more than 1.5 tear at mouth and eyes")
        return tuple(sentences)


@dataclass(frozen=True)
class ControlSpace:
    """The controls in a model's coefficients.

    Attributes:
        names: J controls.
        rest: [J] quantiles at which a face is at rest.
        directions: [J, N], what an amount of 1 adds to the coefficients.
        measures: [J, N], what reads the amounts; ``measures @ directions.T`` is the unit matrix.
    """

    names: tuple[str, ...]
    rest: Tensor
    directions: Tensor
    measures: Tensor

    @classmethod
    def of(cls, model: CodecModel) -> ControlSpace:
        """Raises ExpressionUnavailable for a model whose keypoints are not those of the labels."""
        basis = model.expression_basis.detach().float().cpu()
        count = basis.shape[1]
        table = _table()
        if isinstance(model, PaperModel) or count > table["keypoints"]:
            raise ExpressionUnavailable(f"expression editing: the keypoints of {model.config.name} have no names")
        names, moves, reads = [], [], []
        for name, control in table["controls"].items():
            read = torch.tensor(control["measure"])
            if not read[count:].any():  # a model with few keypoints does not know all controls
                names.append(name)
                moves.append(torch.tensor(control["displacement"])[:count])
                reads.append(read[:count])
        weights = torch.ones(count, 3)
        weights[: table["precise"]] = table["precision"]
        weights[:, 2] *= table["depth_weight"]
        flat = (basis * weights).flatten(1)  # [N, K * 3]
        directions = torch.linalg.lstsq(flat.T, (torch.stack(moves) * weights).flatten(1).T).solution.T
        measures = torch.stack(reads).flatten(1) @ basis.flatten(1).T
        cross = measures @ directions.T  # the unit matrix, but for what the basis leaves out
        directions = torch.linalg.pinv(cross).T @ directions
        rest = torch.tensor([table["controls"][name]["rest_quantile"] for name in names])
        return cls(tuple(names), rest, directions, measures)

    def amounts(self, expression: Tensor, rest: Tensor) -> Tensor:
        """How much there is of each control, [B, J], in coefficients [B, N] of a face whose rest is [N]."""
        return (expression - rest) @ self.measures.T

    def rest_of(self, expression: Tensor) -> Tensor:
        """Coefficients [N] of a face at rest, from what it does in [T, N]: its median, with each control at rest."""
        middle = expression.median(0).values
        amounts = self.amounts(expression, middle)
        resting = torch.stack([amounts[:, j].quantile(q) for j, q in enumerate(self.rest.tolist())])
        return middle + resting @ self.directions


@dataclass(frozen=True)
class ExpressionEditor:
    """An edit of one person's expression: ``rest`` are the coefficients [N] of the face at rest."""

    edit: ExpressionEdit
    space: ControlSpace
    rest: Tensor

    def apply(self, motion: HeadMotion) -> HeadMotion:
        """The heads with their expression edited; what is set does not depend on what the face does."""
        expression = motion.expression.float()
        rest = self.rest.to(expression)
        changed = rest + self.edit.strength * (expression - rest)
        for setting in self.edit.settings:
            for name in BOTH.get(setting.name, (setting.name,)):
                changed = changed + self._change(changed, rest, name, setting)
        return replace(motion, expression=changed.to(motion.expression))

    def _change(self, expression: Tensor, rest: Tensor, name: str, setting: Setting) -> Tensor:
        if name not in self.space.names:
            known = ", ".join(self.space.names)
            raise ExpressionUnavailable(f"this model's keypoints do not show {name}; they show {known}")
        j = self.space.names.index(name)
        there = 0.0 if setting.add else (expression - rest) @ self.space.measures[j].to(expression)
        amount = torch.as_tensor(setting.amount - there).to(expression).expand(len(expression))
        return amount[:, None] * self.space.directions[j].to(expression)


def control_names() -> tuple[str, ...]:
    """All names that a setting may have."""
    return (*BOTH, *_table()["controls"])


def settings_from(amounts: dict[str, float]) -> tuple[Setting, ...]:
    """Settings that add the given amounts, those of 0 left out: what sliders ask for."""
    return tuple(Setting(name, amount, add=True) for name, amount in amounts.items() if amount)


def _goes_both_ways(name: str) -> bool:
    parts: Sequence[str] = BOTH.get(name, (name,))
    return all(bool(_table()["controls"][part]["both_ways"]) for part in parts)


@cache
def _table() -> dict[str, Any]:
    table: dict[str, Any] = json.loads(CONTROLS_FILE.read_text(encoding="utf-8"))
    return table
