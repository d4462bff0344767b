"""What a frame must cost at least, and where its time goes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from nvc.drawing import PlainDrawer
from nvc.models.interface import CodecModel
from nvc.pose import HeadMotion

HEADS = 6  # moving heads whose pictures are compared
PROFILED = 3  # frames


@dataclass(frozen=True)
class Scene:
    """A key picture uint8 [S, S, 3], its keypoints and head, and heads that move."""

    picture: np.ndarray
    x_c: torch.Tensor
    still: HeadMotion
    moving: HeadMotion


def scene_of(model: CodecModel, clip: np.ndarray) -> Scene:
    """The first frame of a clip uint8 [T, 3, S, S] as key picture, and heads spread over the rest of it."""
    chosen = clip[np.linspace(0, len(clip) - 1, HEADS + 1).astype(int)]
    pictures = torch.from_numpy(chosen).float() / 255
    with torch.inference_mode():
        motion, x_c = model.estimate(pictures), model.canonical(pictures[:1])[0]
    return Scene(np.ascontiguousarray(chosen[0].transpose(1, 2, 0)), x_c, motion[:1], motion[1:])


def floor(model: CodecModel, clip: np.ndarray) -> dict[str, float]:
    """Multiplications and memory that a frame of the model needs at least: GFLOP, and megabytes in half precision."""
    scene = scene_of(model, clip)
    drawer = PlainDrawer(model, torch.device("cpu"))
    moved: list[int] = []

    def note(module: nn.Module, inputs: tuple[Any, ...], output: torch.Tensor) -> None:
        moved.append(inputs[0].numel() + output.numel() + sum(p.numel() for p in module.parameters()))

    with torch.inference_mode():
        source = drawer.prepare(scene.picture, scene.x_c, scene.still)
        kinds = (nn.Conv2d, nn.Conv3d, nn.Linear)
        hooks = [m.register_forward_hook(note) for m in model.modules() if isinstance(m, kinds)]
        with FlopCounterMode(display=False) as counter:
            list(drawer.draw(source, scene.moving[:1]))
    for hook in hooks:
        hook.remove()
    return {"gflop": counter.get_total_flops() / 1e9, "megabytes_half_precision": 2 * sum(moved) / 1e6}


def profile(draw: Callable[[int], np.ndarray]) -> list[dict[str, Any]]:
    """Where the time of one frame goes: operators by their own time."""
    draw(1)
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as recorded:
        for _ in range(PROFILED):
            draw(1)
    rows = sorted(recorded.key_averages(), key=lambda row: -row.self_cpu_time_total)
    return [
        {
            "operator": row.key,
            "ms": round(row.self_cpu_time_total / 1000 / PROFILED, 3),
            "calls": row.count // PROFILED,
        }
        for row in rows[:15]
    ]
