"""``nvc-train``: train a model by a recipe; resumes where it stopped."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.distributed as dist

from nvc.models import zoo
from nvc.training.backbone import load_backbone
from nvc.training.data import PackedClips
from nvc.training.kinds import label_index, label_sizes, task_for
from nvc.training.loop import Trainer
from nvc.training.recipe import load_recipe
from nvc.training.state import TrainingState
from nvc.training.validate import Validator
from nvc.training.vgg import VggFeatures, VggLayout

RECIPES = Path(__file__).resolve().parent.parent / "training" / "recipes"
EXIT_IO, EXIT_USAGE = 1, 2


def build_parser() -> argparse.ArgumentParser:
    """Options of nvc-train."""
    parser = argparse.ArgumentParser(prog="nvc-train", description=__doc__)
    parser.add_argument("recipe", help="TOML file, or the name of a shipped recipe: " + ", ".join(shipped_recipes()))
    parser.add_argument("--data", type=Path, required=True, help="pack made by nvc-prepare")
    parser.add_argument("--val", type=Path, help="pack of people that are not in --data")
    parser.add_argument("--face", type=Path, required=True, help=".npz with the mean face: array 'mean' [478, 3]")
    parser.add_argument(
        "--perceptual-weights",
        type=Path,
        required=True,
        help=".npz or .safetensors of SqueezeNet 1.0 or VGG-19 (told apart by their tensors)",
    )
    parser.add_argument("--face-weights", type=Path, help="the same of VGG-Face, for the paper's perceptual loss")
    parser.add_argument("-o", "--out", type=Path, required=True, help="folder for checkpoint, log and validation sheet")
    parser.add_argument("--device", default="cpu", help="cpu or cuda[:N]; under torchrun each process takes its own")
    parser.add_argument("--max-minutes", type=float, help="stop after this long, with a checkpoint")
    parser.add_argument("--export", type=Path, help="write the averaged weights here when done (.safetensors)")
    parser.add_argument("--threads", type=int, help="CPU threads of this process")
    return parser


def shipped_recipes() -> list[str]:
    """Names of the recipes that come with nvc."""
    return sorted(path.stem for path in RECIPES.glob("*.toml"))


def main(argv: list[str] | None = None) -> int:
    """Run; returns the exit code."""
    args = build_parser().parse_args(argv)
    try:
        return _run(args)
    except OSError as error:
        print(f"nvc-train: {error}", file=sys.stderr)
        return EXIT_IO
    except ValueError as error:
        print(f"nvc-train: {error}", file=sys.stderr)
        return EXIT_USAGE


def _run(args: argparse.Namespace) -> int:
    path = Path(args.recipe)
    recipe = load_recipe(path if path.suffix == ".toml" else RECIPES / f"{args.recipe}.toml")
    if args.threads:
        torch.set_num_threads(args.threads)
    device = args.device
    if "WORLD_SIZE" in os.environ and int(os.environ["WORLD_SIZE"]) > 1:
        dist.init_process_group("nccl" if device.startswith("cuda") else "gloo")
        if device == "cuda":
            device = f"cuda:{os.environ['LOCAL_RANK']}"
            torch.cuda.set_device(device)
    with np.load(args.face) as arrays:
        mean = torch.from_numpy(arrays["mean"].astype(np.float32))
    keypoints, expression = label_sizes(recipe.model)
    data = PackedClips(args.data, mean=mean, keypoints=keypoints, expression=expression)
    backbone = load_backbone(args.perceptual_weights)
    face = VggFeatures.from_file(args.face_weights, VggLayout.VGG_FACE) if args.face_weights else None
    validate = None
    if args.val is not None:
        args.out.mkdir(parents=True, exist_ok=True)
        people = PackedClips(args.val, shape=data.shape)
        validate = Validator(people, backbone, args.out, index=label_index(recipe.model))
    trainer = Trainer(recipe, data, task_for(recipe.model, backbone, face), args.out, device=device)
    state = trainer.run(validate=validate, max_minutes=args.max_minutes, report=_print_row)
    if args.export is not None and (not dist.is_initialized() or dist.get_rank() == 0):
        _export(state, args.export)
    if dist.is_initialized():
        dist.destroy_process_group()
    return 0


def _export(state: TrainingState, path: Path) -> None:
    notes = {"steps": str(state.step), "hours": f"{state.seconds / 3600:.2f}"}
    model_id = zoo.save(state.average, path, notes=notes)
    print(f"wrote {path}, model id {model_id.hex()}", file=sys.stderr)


def _print_row(row: dict[str, Any]) -> None:
    print(" ".join(f"{k}={v:.4g}" if isinstance(v, float) else f"{k}={v}" for k, v in row.items()), flush=True)


if __name__ == "__main__":
    sys.exit(main())
