"""Weights: where they are, what identifies them, and how they are loaded.

Weights are safetensors files, which hold tensors and text and nothing that could be executed. The model id
that a stream carries is a hash of the content of the tensors, so that a copy with other metadata, or under
another name, is the same model.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from nvc.models.config import PRESETS, ModelConfig
from nvc.models.folding import fold_batch_norm
from nvc.models.interface import CodecModel
from nvc.models.layers import channels_last
from nvc.models.model import Model
from nvc.models.packed import direct_volumes
from nvc.models.paper import PaperModel
from nvc.models.paper_blocks import fix_spectral_norm
from nvc.models.paper_config import PAPER_PRESETS
from nvc.models.prior import PRIOR_PRESETS, PriorModel

AnyModel = Model | PaperModel | PriorModel
"""Each of them is a `nvc.models.interface.CodecModel`."""

MODEL_ID_BYTES = 16
WEIGHTS = Path(__file__).resolve().parent.parent / "weights"
DEFAULT_MODEL = "lite-256"

_DTYPE_NAMES = {torch.float16: "F16", torch.float32: "F32", torch.int64: "I64"}


class WeightsError(ValueError):
    """A weights file is missing, damaged, or not of the model it claims to be."""


def model_id_of(tensors: Mapping[str, Tensor]) -> bytes:
    """First 16 bytes of SHA-256 over the tensors in order of name: name, type, shape, little-endian content.

    Every item is preceded by its length as 8 little-endian bytes, so that no two contents give the same input.

    Raises:
        WeightsError: a tensor of a type other than float16, float32 or int64.
    """
    digest = hashlib.sha256()
    for name in sorted(tensors):
        tensor = tensors[name].detach().cpu().contiguous()
        if tensor.dtype not in _DTYPE_NAMES:
            raise WeightsError(f"{name} is {tensor.dtype}; allowed are {', '.join(_DTYPE_NAMES.values())}")
        array = tensor.numpy()
        content = array.astype(array.dtype.newbyteorder("<"), copy=False).tobytes()
        shape = ",".join(map(str, tensor.shape))
        for item in (name.encode(), _DTYPE_NAMES[tensor.dtype].encode(), shape.encode(), content):
            digest.update(len(item).to_bytes(8, "little") + item)
    return digest.digest()[:MODEL_ID_BYTES]


def presets() -> list[str]:
    """Names of all presets, with or without weights here."""
    return [*PRESETS, *PAPER_PRESETS, *PRIOR_PRESETS]


def build(name: str) -> AnyModel:
    """A preset with fresh random weights, in training mode.

    Raises:
        WeightsError: no such preset.
    """
    if name in PRESETS:
        return Model(PRESETS[name])
    if name in PAPER_PRESETS:
        return PaperModel(PAPER_PRESETS[name])
    if name in PRIOR_PRESETS:
        return PriorModel(PRIOR_PRESETS[name])
    raise WeightsError(f"no preset {name!r}; known are {', '.join(presets())}")


def shipped_tensors(model: nn.Module) -> dict[str, Tensor]:
    """The tensors of a model as they are shipped: float16, without the counters of batch norm."""
    tensors = {}
    for name, value in model.state_dict().items():
        if value.dtype.is_floating_point:
            tensors[name] = value.detach().cpu().to(torch.float16).contiguous().clone()
    return tensors


def save(model: AnyModel, path: Path, *, notes: Mapping[str, str] | None = None) -> bytes:
    """Write a model's weights and return its id.

    Args:
        model: whose weights.
        path: of the safetensors file.
        notes: text for the file's header; it does not enter the id.
    """
    tensors = shipped_tensors(model)
    save_file(tensors, str(path), metadata={"preset": model.config.name, **(notes or {})})
    return model_id_of(tensors)


def load(name_or_path: str | Path = DEFAULT_MODEL, *, device: str | torch.device = "cpu") -> CodecModel:
    """Load a model, ready for inference.

    Args:
        name_or_path: a shipped model (``lite-256``, ``tiny-64``) or a safetensors file.
        device: to put it on.

    Returns:
        The model in evaluation mode; ``model.model_id`` is set.

    Raises:
        WeightsError: no such file, not safetensors, an unknown preset, wrong shapes, or a value that is not finite.
    """
    path = weights_path(name_or_path)
    tensors, preset = _read(path)
    model = build(preset)
    _check(model, tensors, path)
    model.load_state_dict({k: v.float() for k, v in tensors.items()}, strict=False)
    model.model_id = model_id_of(tensors)
    model.eval().requires_grad_(False)
    fix_spectral_norm(model)
    fold_batch_norm(model)
    channels_last(model)
    direct_volumes(model)
    return model.to(device)


def weights_path(name_or_path: str | Path) -> Path:
    """The file of a shipped model's name, or the path itself.

    Raises:
        WeightsError: neither a shipped model nor a file.
    """
    text = str(name_or_path)
    path = WEIGHTS / f"{text}.safetensors" if text in presets() else Path(text)
    if not path.is_file():
        raise WeightsError(f"no model {text!r}: known are {', '.join(shipped())}, or give a safetensors file")
    return path


def shipped() -> list[str]:
    """Names of the models whose weights are here."""
    return sorted(name for name in presets() if (WEIGHTS / f"{name}.safetensors").is_file())


def find(model_id: bytes) -> str | None:
    """Name of the shipped model with this id, or None."""
    for name in shipped():
        if model_id_of(_read(WEIGHTS / f"{name}.safetensors")[0]) == model_id:
            return name
    return None


def _read(path: Path) -> tuple[dict[str, Tensor], str]:
    try:
        with safe_open(str(path), framework="pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            preset = (file.metadata() or {}).get("preset", "")
    except (SafetensorError, OSError) as error:
        raise WeightsError(f"{path}: not a readable safetensors file ({error})") from error
    if preset not in presets():
        raise WeightsError(f"{path}: preset {preset!r} is unknown; known are {', '.join(presets())}")
    return tensors, preset


def _check(model: AnyModel, tensors: Mapping[str, Tensor], path: Path) -> None:
    expected = {k: v for k, v in model.state_dict().items() if v.dtype.is_floating_point}
    if missing := sorted(set(expected) - set(tensors)):
        raise WeightsError(f"{path}: {len(missing)} tensors missing, first {missing[0]!r}")
    if extra := sorted(set(tensors) - set(expected)):
        raise WeightsError(f"{path}: {len(extra)} tensors unknown to {model.config.name}, first {extra[0]!r}")
    for name, value in expected.items():
        if tensors[name].shape != value.shape:
            found, wanted = list(tensors[name].shape), list(value.shape)
            raise WeightsError(f"{path}: {name} is {found}, {model.config.name} has {wanted}")
        if not torch.isfinite(tensors[name]).all():
            raise WeightsError(f"{path}: {name} holds a value that is not finite")


def random_model(config: ModelConfig, seed: int) -> Model:
    """A model with seeded random weights: it draws nonsense, but steadily. For tests and conformance vectors.

    Drawn by numpy's Philox, whose stream is the same on every platform and version.
    """
    rng = np.random.Generator(np.random.Philox(seed))
    model = Model(config)
    state = model.state_dict()
    for name in sorted(state):
        value = state[name]
        if not value.dtype.is_floating_point:
            continue
        draw = torch.from_numpy(rng.standard_normal(tuple(value.shape)).astype(np.float32))
        if name.endswith("running_var"):
            value.fill_(1.0)
        elif value.ndim > 1 and "mean" not in name:
            value.copy_(draw * (2.0 / max(1, value[0].numel())) ** 0.5)
        elif name.endswith("weight"):
            value.copy_(1 + 0.1 * draw)
        elif value.ndim == 1 and name.endswith("bias"):
            value.copy_(0.05 * draw)
    model.requires_grad_(False)
    _random_face(model, rng)
    return model.eval()


def _random_face(model: Model, rng: np.random.Generator) -> None:
    k, n = model.config.keypoints, model.config.expression
    angle = torch.arange(k) * (2 * torch.pi / k)
    ring = torch.stack([0.4 * angle.cos(), 0.5 * angle.sin(), 0.2 * (3 * angle).cos()], 1)
    model.estimator.get_buffer("mean_keypoints").copy_(ring)
    model.estimator.get_buffer("motion_mean").zero_()
    model.estimator.get_buffer("motion_std").fill_(0.02)
    square = torch.from_numpy(rng.standard_normal((3 * k, n)).astype(np.float32))
    basis, _ = torch.linalg.qr(square)
    model.expression_basis.copy_((basis.T * k**0.5).unflatten(1, (k, 3)))
    model.dense_motion.log_width.fill_(-1.5)
    model.dense_motion.background.fill_(-4.0)
