"""M and G of a lite model as a CPU likes them: the same sums as `Model.render`, one frame at a time on one core.

Every map is [pixels, channels] with the channels of a pixel side by side, from the keypoints to the picture, so that
nothing is laid out anew between a convolution and a warp. Warps read rows (see `nvc.models.sampling`), the flows of
all keypoints are mixed by small matrix products, and what depends on the key picture only is done once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from nvc.models.appearance import SourceFeatures
from nvc.models.dense_motion import _HEAT_WIDTH, _MAX_SHIFT, _WARPED, relative_turn
from nvc.models.fast_parts import FastBlock, FastUpsample, as_map, as_rows
from nvc.models.generator import _KEEP
from nvc.models.layers import pixel_grid
from nvc.models.model import Model
from nvc.models.packed import PackedConv, SplitConv, packed_block
from nvc.models.sampling import FlatTaps, VolumeTaps, doubling, rows_of
from nvc.pose import HeadMotion, keypoints

Drawn = NDArray[np.uint8]

_FAINTEST = -60.0  # logarithms below are cut off: their exponentials would be denormal, which is slow and means nothing


@dataclass(frozen=True)
class FastSource:
    """What drawing needs of a key picture: tables of rows, and its head."""

    full: Tensor
    half: Tensor
    quarter: Tensor
    projected: Tensor
    picture: Tensor
    volume: Tensor
    x_c: Tensor
    x_s: Tensor
    motion: HeadMotion


@dataclass(frozen=True)
class _Field:
    """Motion field of one frame; positions in planes [2 or 3, pixels], the rest in rows."""

    surface: Tensor
    volume: Tensor
    visible: Tensor
    volume_visible: Tensor
    hints: Tensor


class FastMotion:
    """M for one frame."""

    def __init__(self, model: Model, dtype: torch.dtype) -> None:
        m, config = model.dense_motion, model.config
        self.side, self.depth = config.side // 4, config.depth
        self._grid = _plane_grid(self.side)
        x, y = self._grid
        ones = torch.ones_like(x)
        self._terms = torch.stack([x, y, x * x + y * y, ones], 1)  # |p - q|^2 is linear in these
        self._width = -0.5 * torch.exp(-2 * m.log_width.detach().float())
        self._background = m.background.detach().float()
        self._volume_grid = _volume_grid(self.side // 2, self.depth)
        self._taps = FlatTaps(self.side, self.side**2)
        blocks = (m.down1, m.down2, m.down3[0], m.down3[1])
        self._down = [packed_block(block, dtype) for block in blocks]
        self._shallow = SplitConv(m.shallow, (config.keypoints, _WARPED, 2), dtype=dtype)
        width = config.motion_channels
        wide = width + width // 2
        self._up2 = SplitConv(m.up2, (2 * width, wide), dtype=dtype)
        self._up1 = SplitConv(m.up1, (wide, width), dtype=dtype)
        self._up0 = SplitConv(m.up0, (width, width // 2), dtype=dtype)
        self._heads = PackedConv(_side_by_side(m.masks, m.surface), dtype=torch.float32)
        self._visible = PackedConv(m.volume_visible, dtype=torch.float32)

    def __call__(self, source: FastSource, x_d: Tensor, turn: Tensor) -> _Field:
        """The field of a head with keypoints [K, 3], turned by [3, 3] against the source's."""
        count = x_d.shape[0]
        prior, heat = self._kernels(x_d)
        anchors = source.x_s - x_d @ turn.t()
        flat = source.x_s[:, :2] - x_d[:, :2] @ turn[:2, :2].t()
        mixing = torch.zeros(6, count + 1)  # rows: two of the surface's anchor, three of the volume's, the background
        mixing[0:2, 1:], mixing[2:5, 1:], mixing[5, 0] = flat.t(), anchors.t(), 1.0
        still = torch.eye(2) - turn[:2, :2]
        moving = torch.cat([turn[:2, :2], still]) @ self._grid
        rough = self._flow(mixing @ torch.softmax(prior, 1).t(), moving)
        warped = self._taps(rough).sample(source.projected)
        shift = (rough - self._grid).t().contiguous()
        hints, inner = self._unet(*(as_map(rows, self.side) for rows in (heat, warped, shift)))
        heads = as_rows(self._heads(hints)).float()
        mixed = mixing @ torch.softmax(prior + heads[:, : count + 1], 1).t()
        rest = heads[:, count + 1 :].t().contiguous()
        return _Field(
            surface=self._flow(mixed, moving) + _MAX_SHIFT * torch.tanh(rest[:2]),
            volume=self._volume_flow(mixed[2:], turn),
            visible=torch.sigmoid(rest[2:] + 2),
            volume_visible=torch.sigmoid(as_rows(self._visible(inner)).float() + 2),
            hints=hints,
        )

    def _kernels(self, x_d: Tensor) -> tuple[Tensor, Tensor]:
        """Log weights [P, 1 + K] that the mix starts from, and the heat maps [P, K]."""
        x, y = x_d[:, 0], x_d[:, 1]
        square = self._terms @ torch.stack([-2 * x, -2 * y, torch.ones_like(x), x * x + y * y])
        background = self._background.expand(square.shape[0], 1)
        prior = (square * self._width).clamp_(min=_FAINTEST)
        return torch.cat([background, prior], 1), (square * (-0.5 / _HEAT_WIDTH**2)).clamp_(min=_FAINTEST).exp_()

    @staticmethod
    def _flow(mixed: Tensor, moving: Tensor) -> Tensor:
        return moving[:2] + mixed[:2] + mixed[5] * moving[2:]

    def _volume_flow(self, mixed: Tensor, turn: Tensor) -> Tensor:
        small = F.avg_pool2d(mixed.view(4, self.side, self.side), 2).view(4, -1, 1)
        moving = (turn @ self._volume_grid).view(3, -1, self.depth)
        still = ((torch.eye(3) - turn) @ self._volume_grid).view(3, -1, self.depth)
        return (moving + small[:3] + small[3] * still).view(3, -1)

    def _unet(self, *inputs: Tensor) -> tuple[Tensor, Tensor]:
        level0 = self._shallow(*inputs)
        level1 = self._down[0](level0)
        level2 = self._down[1](level1)
        level3 = self._down[3](self._down[2](level2))
        inner = self._up1(_double(self._up2(_double(level3), level2)), level1)
        return self._up0(_double(inner), level0), inner


class FastGenerator:
    """G for one frame."""

    def __init__(self, model: Model, dtype: torch.dtype) -> None:
        g, config = model.generator, model.config
        side = config.side
        self._side, self._depth = side, config.depth
        self._grid = _plane_grid(side)
        self._half_grid = _plane_grid(side // 2)
        self._quarter_grid = _plane_grid(side // 4)
        self._to_full, self._to_half = doubling(side // 4, side), doubling(side // 4, side // 2)
        self._full_taps, self._half_taps = FlatTaps(side, side**2), FlatTaps(side // 2, side**2 // 4)
        self._quarter_taps = FlatTaps(side // 4, side**2 // 16)
        self._volume_taps = VolumeTaps(side // 8, config.depth, config.depth * (side // 8) ** 2)
        self._fold = packed_block(_deep_first(g.fold, config.volume_channels, config.depth), dtype)
        self._level8 = [FastBlock(block, dtype) for block in g.level8]  # type: ignore[arg-type]
        self._level4, self._level2 = FastBlock(g.level4, dtype), FastBlock(g.level2, dtype)
        self._to_quarter, self._up_half, self._up_full = (
            FastUpsample(part, dtype) for part in (g.to_quarter, g.to_half, g.to_full)
        )
        c1, c2, c4, _ = config.channels
        self._fuse_quarter = SplitConv(g.fuse_quarter, (c4 // 2, c4, config.motion_channels // 2), dtype=dtype)
        self._fuse_half = SplitConv(g.fuse_half, (c2 // 2, c2), dtype=dtype)
        self._fuse_full, self._level1 = _with_blank(g.fuse_full, (c1 // 2, c1, 3), dtype), packed_block(g.level1, dtype)
        self._draw = PackedConv(g.draw, dtype=dtype)

    def __call__(self, source: FastSource, field: _Field, steer: Tensor) -> Tensor:
        """A picture [S, S, 4] in 0..1 before clamping; the fourth channel means nothing."""
        s = self._side
        shift = field.surface - self._quarter_grid
        x = self._volume_taps(field.volume).sample(source.volume).view((s // 8) ** 2, -1) * field.volume_visible
        y = self._fold(as_map(x, s // 8))
        for block in self._level8:
            y = block(y, steer)
        skip = self._quarter_taps(field.surface).sample(source.quarter) * field.visible[2][:, None]
        y = self._fuse_quarter(self._to_quarter(y), as_map(skip, s // 4), field.hints)
        y = self._level4(y, steer)
        planes = self._enlarge(torch.cat([shift, field.visible[1:2]]), self._to_half)
        skip = self._half_taps(planes[:2] + self._half_grid).sample(source.half) * planes[2][:, None]
        y = self._level2(self._fuse_half(self._up_half(y), as_map(skip, s // 2)))
        planes = self._enlarge(torch.cat([shift, field.visible[0:1]]), self._to_full)
        taps = self._full_taps(planes[:2] + self._grid)
        copied = taps.sample(source.picture)
        skip = taps.sample(source.full) * planes[2][:, None]
        y = self._fuse_full(self._up_full(y), as_map(skip, s), as_map(copied, s))
        drawn = as_rows(self._draw(self._level1(y))).float()
        keep = torch.sigmoid(drawn[:, 3:4] + _KEEP)
        return torch.addcmul(drawn, keep, copied).view(s, s, 4)

    def _enlarge(self, planes: Tensor, matrix: Tensor) -> Tensor:
        small, large = matrix.shape[1], matrix.shape[0]
        return (matrix @ planes.view(-1, small, small) @ matrix.t()).view(-1, large * large)


class FastLite:
    """Draws frames of a lite `Model` on a CPU, with weights laid out and rounded for it."""

    def __init__(self, model: Model, *, dtype: torch.dtype = torch.float32) -> None:
        """Set up.

        Args:
            model: in evaluation mode with batch norm folded, as `zoo.load` gives it.
            dtype: of the convolutions, float32 or bfloat16.
        """
        self._model = model
        self._motion = FastMotion(model, dtype)
        self._generator = FastGenerator(model, dtype)

    def prepare(self, features: SourceFeatures, x_c: Tensor, motion: HeadMotion) -> FastSource:
        """What drawing needs of one key picture: its features, its canonical keypoints [K, 3] and its head."""
        return FastSource(
            full=rows_of(features.full),
            half=rows_of(features.half),
            quarter=rows_of(features.quarter),
            projected=rows_of(self._model.dense_motion.project(features.quarter)),
            picture=F.pad(rows_of(features.picture), (0, 1)),
            volume=rows_of(features.volume),
            x_c=x_c,
            x_s=keypoints(x_c, motion, self._model.expression_basis)[0],
            motion=motion,
        )

    def jobs(self, source: FastSource, motion: HeadMotion) -> list[Callable[[], Drawn]]:
        """Work to be done in any order on any thread: each draws one of B heads, uint8 [S, S, 3]."""
        x_d = keypoints(source.x_c, motion, self._model.expression_basis)
        turn = relative_turn(source.motion, motion)
        still = HeadMotion.from_vector(source.motion.vector().expand(turn.shape[0], -1))
        code = [motion.expression, motion.expression - still.expression, motion.angles, still.angles]
        steer = self._model.generator.code(torch.cat(code, 1))
        return [partial(self._draw, source, x_d[i], turn[i], steer[i : i + 1]) for i in range(turn.shape[0])]

    def _draw(self, source: FastSource, x_d: Tensor, turn: Tensor, steer: Tensor) -> Drawn:
        with torch.inference_mode():
            picture = self._generator(source, self._motion(source, x_d, turn), steer)
            return picture.mul_(255).round_().clamp_(0, 255).byte().numpy()[:, :, :3]


def _double(x: Tensor) -> Tensor:
    return F.interpolate(x, scale_factor=2.0, mode="nearest")


def _plane_grid(side: int) -> Tensor:
    return pixel_grid(side, side, torch.empty(0)).view(-1, 2).t().contiguous()


def _volume_grid(side: int, depth: int) -> Tensor:
    """Centres of a volume in half-sides, [3, pixels * depth], depth varying first."""
    plane = _plane_grid(side)[:, :, None].expand(2, side * side, depth)
    zs = ((torch.arange(depth) * 2 + 1) / depth - 1).expand(1, side * side, depth)
    return torch.cat([plane, zs]).reshape(3, -1)


def _side_by_side(*convolutions: nn.Conv2d) -> nn.Conv2d:
    """Convolutions of the same input as one."""
    first = convolutions[0]
    outputs = sum(c.out_channels for c in convolutions)
    joined = nn.Conv2d(first.in_channels, outputs, first.kernel_size, first.stride, first.padding)  # type: ignore[arg-type]
    joined.weight.data = torch.cat([c.weight.detach() for c in convolutions])
    joined.bias = nn.Parameter(torch.cat([c.bias.detach() for c in convolutions if c.bias is not None]))
    return joined.requires_grad_(False)


def _with_blank(block: nn.Module, inputs: tuple[int, ...], dtype: torch.dtype) -> SplitConv:
    """A split convolution whose last map has one channel more, which is not looked at."""
    old = next(iter(block.children()))
    if not isinstance(old, nn.Conv2d):
        raise ValueError("not a convolution with its batch norm folded and a ReLU")
    new = nn.Conv2d(old.in_channels + 1, old.out_channels, 3, 1, 1)
    new.weight.data = F.pad(old.weight.detach(), (0, 0, 0, 0, 0, 1))
    new.bias = None if old.bias is None else nn.Parameter(old.bias.detach())
    return SplitConv(nn.Sequential(new), (*inputs[:-1], inputs[-1] + 1), dtype=dtype)


def _deep_first(fold: nn.Module, channels: int, depth: int) -> nn.Sequential:
    """G's first block for inputs whose depth varies slowest: samples of a volume's rows come in this order."""
    old = next(iter(fold.children()))
    if not isinstance(old, nn.Conv2d):
        raise ValueError("not a convolution with its batch norm folded and a ReLU")
    new = nn.Conv2d(old.in_channels, old.out_channels, 1)
    new.weight.data = old.weight.detach().unflatten(1, (channels, depth)).transpose(1, 2).flatten(1, 2)
    if old.bias is not None:
        new.bias = nn.Parameter(old.bias.detach())
    return nn.Sequential(new.requires_grad_(False), nn.ReLU())
