"""The networks of a lite model as ONNX files, for runtimes that know nothing of PyTorch.

Three graphs, named as their files:

* ``estimator``: ``picture`` [B, 3, S, S] to ``motion`` [B, 7 + N] and ``canonical`` [B, K, 3];
* ``appearance``: ``picture`` [1, 3, S, S] to ``full``, ``half``, ``quarter`` and ``volume``, once a key frame;
* ``frame``: ``picture``, those features, ``canonical`` [K, 3], ``source_motion`` and ``motion`` [1, 7 + N] to ``drawn``
  [1, 3, S, S].

Pictures are RGB, 0 to 1; motion is real numbers in the order of the bitstream, after dequantisation.
"""

from __future__ import annotations

import json
import math
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from nvc.models.appearance import SourceFeatures
from nvc.models.interface import CodecModel
from nvc.models.model import Model
from nvc.pose import POSE_COUNT, HeadMotion

OPSET = 20  # the first whose GridSample takes volumes
FEATURES = ("full", "half", "quarter", "volume")
GRAPHS = ("estimator", "appearance", "frame")
_FACTS = "model.json"


class ExportUnavailable(ImportError, ValueError):
    """The packages of the ``onnx`` extra are not installed."""


class _Estimator(nn.Module):
    def __init__(self, model: Model) -> None:
        super().__init__()
        self.model = model

    def forward(self, picture: Tensor) -> tuple[Tensor, Tensor]:
        sight = self.model.estimator.trunk(picture)
        return self.model.estimator.motion_of(sight).vector(), self.model.estimator.canonical_of(sight)


class _Appearance(nn.Module):
    def __init__(self, model: Model) -> None:
        super().__init__()
        self.model = model

    def forward(self, picture: Tensor) -> tuple[Tensor, ...]:
        features = self.model.appearance(picture)
        return tuple(getattr(features, name) for name in FEATURES)


class _Frame(nn.Module):
    def __init__(self, model: Model) -> None:
        super().__init__()
        self.model = model

    def forward(
        self,
        picture: Tensor,
        full: Tensor,
        half: Tensor,
        quarter: Tensor,
        volume: Tensor,
        canonical: Tensor,
        source_motion: Tensor,
        motion: Tensor,
    ) -> Tensor:
        source = SourceFeatures(picture, full, half, quarter, volume)
        still, moving = HeadMotion.from_vector(source_motion), HeadMotion.from_vector(motion)
        return self.model.draw(source, canonical, still, moving)[0].clamp(0, 1)


def export(model: CodecModel, folder: Path) -> list[Path]:
    """Write the graphs of a model and what they are into an existing folder.

    Args:
        model: as `zoo.load` gives it.
        folder: for ``estimator.onnx``, ``appearance.onnx``, ``frame.onnx`` and ``model.json``.

    Raises:
        ExportUnavailable: the ``onnx`` extra is not installed.
        ValueError: not a lite model.
    """
    if not isinstance(model, Model):
        raise ValueError(f"{type(model).__name__} cannot be exported; lite models can")
    config = model.config
    picture = torch.rand(1, 3, config.side, config.side, generator=torch.Generator().manual_seed(0))
    motion = torch.zeros(1, POSE_COUNT + config.expression)
    with torch.inference_mode():
        features = _Appearance(model)(picture)
    canonical = model.mean_keypoints.float()
    paths = [
        _write(
            _Estimator(model), (picture,), folder / "estimator.onnx", ("picture",), ("motion", "canonical"), batch=True
        ),
        _write(_Appearance(model), (picture,), folder / "appearance.onnx", ("picture",), FEATURES),
        _write(
            _Frame(model),
            (picture, *features, canonical, motion, motion + 0.01),
            folder / "frame.onnx",
            ("picture", *FEATURES, "canonical", "source_motion", "motion"),
            ("drawn",),
        ),
    ]
    facts = {
        "model": config.name,
        "model_id": model.model_id.hex(),
        "side": config.side,
        "keypoints": config.keypoints,
        "expression": config.expression,
        "opset": OPSET,
    }
    (folder / _FACTS).write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")
    return [*paths, folder / _FACTS]


def _write(
    graph: nn.Module,
    inputs: tuple[Tensor, ...],
    path: Path,
    input_names: tuple[str, ...],
    output_names: tuple[str, ...],
    *,
    batch: bool = False,
) -> Path:
    axes = {name: {0: "batch"} for name in (*input_names, *output_names)} if batch else None
    try:
        import onnx  # noqa: F401
    except ImportError as error:
        raise ExportUnavailable("nvc-export needs the onnx extra: pip install 'nvc[onnx]'") from error
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of tracing, and that this exporter will not gain features
        torch.onnx.register_custom_op_symbolic("aten::exp2", _exp2, OPSET)
        torch.onnx.export(
            graph.eval(),
            tuple(x.clone() for x in inputs),
            str(path),
            input_names=list(input_names),
            output_names=list(output_names),
            opset_version=OPSET,
            dynamic_axes=axes,
            dynamo=False,
        )
    return path


def _exp2(graph: Any, x: Any) -> Any:
    """2^x, which ONNX has no operator for."""
    return graph.op("Exp", graph.op("Mul", x, graph.op("Constant", value_t=torch.tensor(math.log(2.0)))))


class OnnxCodec:
    """The exported graphs, run by onnxruntime; the names of the methods are those of a codec model."""

    def __init__(self, folder: Path, *, threads: int = 0) -> None:
        """Load what :func:`export` wrote. ``threads``: of each graph; 0: as many as there are cores.

        Raises:
            ExportUnavailable: onnxruntime is not installed.
            OSError: the files are not there.
        """
        try:
            import onnxruntime
        except ImportError as error:
            raise ExportUnavailable("running ONNX files needs the onnx extra: pip install 'nvc[onnx]'") from error
        facts = json.loads((folder / _FACTS).read_text(encoding="utf-8"))
        self.side, self.keypoints, self.expression = (facts[name] for name in ("side", "keypoints", "expression"))
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        self._graphs = {
            name: onnxruntime.InferenceSession(
                str(folder / f"{name}.onnx"), options, providers=["CPUExecutionProvider"]
            )
            for name in GRAPHS
        }

    def estimate(self, pictures: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Motion [B, 7 + N] and canonical keypoints [B, K, 3] of pictures [B, 3, S, S], 0 to 1."""
        motion, canonical = self._graphs["estimator"].run(None, {"picture": pictures})
        return motion, canonical

    def appearance(self, picture: NDArray[np.float32]) -> dict[str, NDArray[np.float32]]:
        """What :meth:`render` needs of a decoded key picture [1, 3, S, S]."""
        features = self._graphs["appearance"].run(None, {"picture": picture})
        return {"picture": picture, **dict(zip(FEATURES, features, strict=True))}

    def render(
        self,
        source: dict[str, NDArray[np.float32]],
        canonical: NDArray[np.float32],
        source_motion: NDArray[np.float32],
        motion: NDArray[np.float32],
    ) -> Iterator[NDArray[np.float32]]:
        """Pictures [3, S, S], 0 to 1, of B heads [B, 7 + N]."""
        still = {"canonical": canonical, "source_motion": source_motion}
        for row in motion:
            yield self._graphs["frame"].run(None, {**source, **still, "motion": row[None]})[0][0]
