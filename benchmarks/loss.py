"""What a bad network costs: calls in virtual time through losses in bursts, with and without retransmission.

``python -m benchmarks.loss CLIP... -o FOLDER`` writes ``loss.json`` and draws ``loss.png`` from it.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.clips import Clip, read_clip
from benchmarks.machine import describe_machine, describe_versions
from nvc.live.network import Conditions, Network
from nvc.live.receiver import Receiver
from nvc.live.sender import Sender
from nvc.live.simulation import simulate
from nvc.models import zoo
from nvc.models.interface import CodecModel

Save = Callable[[dict[str, Any]], None]

LOSSES = (0.0, 0.01, 0.05, 0.1, 0.2)
BURST = 3.0
JITTER = 0.02
REORDER = 0.05


def one_call(clip: Clip, model: CodecModel, *, loss: float, retransmission: bool, seed: int) -> dict[str, Any]:
    """One call of a clip: quality of what is shown at its time, rate, and outages."""
    rate, side = float(clip.frame_rate), clip.frames.shape[-1]
    conditions = Conditions(loss=loss, burst=BURST, jitter=JITTER, reorder=REORDER)
    rng = random.Random(f"{clip.name} {loss} {seed}")  # another network for each clip, the same with and without
    there, back = Network(conditions, rng.getrandbits(30)), Network(conditions, rng.getrandbits(30))
    sender = Sender(side=side, frame_rate=clip.frame_rate, model=model, rng=rng, device="cpu")
    receiver = Receiver(model=model, retransmission=retransmission, device="cpu")
    call = simulate(list(clip.frames), sender, receiver, there=there, back=back, frame_rate=rate)
    quality = [_psnr(shown.picture, clip.frames[shown.index]) for shown in call.shown if shown.index < len(clip.frames)]
    return {
        "clip": clip.name,
        "loss": loss,
        "retransmission": retransmission,
        "seed": seed,
        "lost_datagrams": there.lost,
        "sent_datagrams": there.sent,
        "frames": len(clip.frames),
        "shown": len(call.shown),
        "concealed": call.concealed,
        "psnr": float(np.mean(quality)) if quality else 0.0,
        "kbps": 8e-3 * sender.sent_bytes * rate / len(clip.frames),
        "key_requests": sender.keys_requested,
        "resent_packets": sender.resent_packets,
        "longest_outage_s": max(call.outages, default=0.0),
        "mean_outage_s": float(np.mean(call.outages)) if call.outages else 0.0,
    }


def measure(
    clips: Sequence[Path], *, frames: int, model: str, seeds: Sequence[int], done: dict[str, Any], save: Save
) -> dict[str, Any]:
    """All calls, one after another; what there is so far is saved after each, and not done again."""
    loaded = zoo.load(model)
    rows: list[dict[str, Any]] = []
    result = {
        "network": {"burst": BURST, "jitter_s": JITTER, "reorder": REORDER, "delay_s": Conditions().delay},
        "model": model,
        "model_id": loaded.model_id.hex(),
        "rows": rows,
        "machine": describe_machine(),
        "versions": describe_versions(),
    }
    for path in clips:
        clip = read_clip(path, limit=frames)
        for loss in LOSSES:
            for retransmission in (True, False):
                for seed in seeds if loss else seeds[:1]:
                    known = _known(done, clip, loss, retransmission, seed, loaded.model_id.hex())
                    rows.append(known or one_call(clip, loaded, loss=loss, retransmission=retransmission, seed=seed))
                    if known is None:
                        save(result)
                        print(json.dumps(rows[-1]), file=sys.stderr, flush=True)
    return result


def _known(
    done: dict[str, Any], clip: Clip, loss: float, retransmission: bool, seed: int, model_id: str
) -> dict[str, Any] | None:
    """The row of a call that an earlier run has made with the same weights."""
    wanted = (clip.name, loss, retransmission, seed, len(clip.frames))
    for row in done.get("rows", ()) if done.get("model_id") == model_id else ():
        if (row["clip"], row["loss"], row["retransmission"], row["seed"], row["frames"]) == wanted:
            return row
    return None


def means(result: dict[str, Any]) -> list[dict[str, Any]]:
    """Means over clips and seeds; of the longest outage the longest, by loss and retransmission."""
    table = []
    for retransmission in (True, False):
        for loss in sorted({row["loss"] for row in result["rows"]}):
            some = [r for r in result["rows"] if (r["loss"], r["retransmission"]) == (loss, retransmission)]
            mean = {name: float(np.mean([row[name] for row in some])) for name in ("psnr", "kbps", "key_requests")}
            mean["concealed"] = float(np.mean([row["concealed"] / row["shown"] for row in some if row["shown"]]))
            mean["longest_outage_s"] = max(row["longest_outage_s"] for row in some)
            table.append({"loss": loss, "retransmission": retransmission, "calls": len(some), **mean})
    return table


def draw(result: dict[str, Any], path: Path) -> None:
    """PSNR, frames made up, outages and rate against loss."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    table = means(result)
    wanted = (
        ("psnr", "PSNR to the source, dB", 1.0),
        ("concealed", "frames concealed, %", 100.0),
        ("longest_outage_s", "longest outage, s", 1.0),
        ("kbps", "kbit/s sent, headers counted", 1.0),
    )
    figure, axes = pyplot.subplots(1, 4, figsize=(15, 3.4), constrained_layout=True)
    for axis, (name, title, scale) in zip(axes, wanted, strict=True):
        for retransmission, label in ((True, "lost packets sent again"), (False, "key frames on request only")):
            rows = [row for row in table if row["retransmission"] is retransmission]
            axis.plot([100 * r["loss"] for r in rows], [scale * r[name] for r in rows], marker="o", label=label)
        axis.set_title(title)
        axis.set_xlabel("datagrams lost, %")
        axis.grid(alpha=0.3)
    axes[0].legend()
    figure.savefig(path, dpi=110)
    pyplot.close(figure)


def as_text(result: dict[str, Any]) -> str:
    """The means as a table for a terminal."""
    lines = ["loss %  sent again  calls   PSNR  kbit/s  concealed %  longest outage s  key requests"]
    for row in means(result):
        again = "yes" if row["retransmission"] else "no"
        lines.append(
            f"{100 * row['loss']:6.0f}  {again:>10}  {row['calls']:5}  {row['psnr']:5.2f}  {row['kbps']:6.2f}  "
            f"{100 * row['concealed']:11.1f}  {row['longest_outage_s']:16.2f}  {row['key_requests']:12.1f}"
        )
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="benchmarks.loss", description="Calls through networks that lose datagrams.")
    parser.add_argument("clips", nargs="+", type=Path, metavar="CLIP", help="square video files of the model's side")
    parser.add_argument("-o", "--output", type=Path, default=Path("benchmarks/results"), help="folder to write to")
    parser.add_argument("--frames", type=int, default=250, help="first so many of each clip (default: 250)")
    parser.add_argument("--model", default=zoo.DEFAULT_MODEL)
    parser.add_argument("--seeds", default="1,2", help="networks, with commas (default: 1,2)")
    options = parser.parse_args(arguments)
    seeds = [int(seed) for seed in options.seeds.split(",")]
    options.output.mkdir(parents=True, exist_ok=True)
    file = options.output / "loss.json"
    done = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}

    def save(result: dict[str, Any]) -> None:
        file.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")

    result = measure(options.clips, frames=options.frames, model=options.model, seeds=seeds, done=done, save=save)
    save(result)
    draw(result, options.output / "loss.png")
    print(as_text(result))
    return 0


def _psnr(a: np.ndarray, b: np.ndarray) -> float:
    error = float(np.mean((a.astype(np.float32) - b.astype(np.float32)) ** 2))
    return 100.0 if error == 0 else float(10 * np.log10(255**2 / error))


if __name__ == "__main__":
    sys.exit(main())
