"""docs/speed.md, made of committed JSON only: ``python -m benchmarks.speed_report`` writes it anew."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks import loss

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks" / "results"
DOCUMENT = ROOT / "docs" / "speed.md"
# What real time asks for on two CPU cores: name in the results, words, bound, whether more is better.
BARS = (
    ("decode_file_fps", "decode a file, frames a second", 30.0, True),
    ("encode_file_fps", "encode a file (preset fast), frames a second", 25.0, True),
    ("decode_fps", "decode frame by frame, frames a second", 25.0, True),
    ("encode_fps", "encode frame by frame, frames a second", 25.0, True),
    ("estimate_ms", "motion estimation, ms a frame", 15.0, False),
    ("first_frame_ms", "first frame after its packet, ms", 150.0, False),
    ("load_seconds", "load encoder and decoder, s", 2.0, False),
    ("start_seconds", "from the start of Python to a decoder, s", 2.0, False),
    ("peak_megabytes", "peak memory of encoder, decoder and benchmark, MB", 1024.0, False),
)
_HEAD = """# Speed

Written by `python -m benchmarks.speed_report` from `benchmarks/results/speed.json`, `networks.json` and `loss.json`; no
figure is typed in. To measure again:

```sh
nvc-bench speed CLIP --models lite-256,paper-256 -o benchmarks/results/speed.json
python -m benchmarks.networks --profile --streams -o benchmarks/results/networks.json
python -m benchmarks.loss CLIP... -o benchmarks/results
```
"""
_HOW = """What made the difference, in `nvc/models/fast_lite.py` and beside it:

- Channels of a pixel side by side from the keypoints to the picture. The network as it is copies maps from one layout
  to the other around every warp.
- Warps as weighted sums of four rows (an embedding bag) instead of `grid_sample`, which gathers numbers one by one.
- Convolutions with weights laid out once, bias, ReLU and additions in the same pass, in bfloat16 where the processor
  multiplies in it. Flows, warps and the copied picture stay float32: rounding those is what costs picture quality, not
  rounding inside convolutions.
- Maps that would be put side by side for one convolution go through a convolution each, added up.
- The flows of all keypoints are mixed by one small matrix product; exponentials that would be denormal are cut off.
- Small 3-D convolutions of the key picture's features go to oneDNN, which PyTorch does for large ones only.
- A frame a core: frames do not wait for each other, the layers of one do. Files are written beside drawing.

onnxruntime runs the exported decoder more slowly than the network as it is, so `Decoder` has no such backend; the
export is for programs without PyTorch. `torch.compile` needs a C++ compiler at run time and was not used.
"""
_CUDA = """## CUDA

Drawing in batches, CUDA graphs, pinned copies and `DecoderPool` are written and tested on CPUs (with graphs played by a
stand-in), but **have not been run on a GPU yet**: there are no figures. To have them:

```sh
NVC_FAIL_WITHOUT_CUDA=1 pytest -m needs_cuda
python -m benchmarks.networks --device cuda --streams -o networks-cuda.json
```
"""
_LIVE = """## Calls through bad networks

Calls in virtual time: losses in bursts of {burst:g} datagrams on the mean (Gilbert-Elliott), {delay:g} ms on the way
and up to {jitter:g} ms more, {reorder:g} % held back for 50 ms, the same for feedback; jitter buffer of 150 ms. PSNR is
that of the picture shown at its time against the source. Kilobits count RTP headers, of which 13 bytes a frame are
2.6 kbit/s at 25 frames a second. The longest outage is the worst of all calls: seconds from the first picture that had
to be made up to the next real one.

![Calls through bad networks](../benchmarks/results/loss.png)
"""


def document(speed: dict[str, Any], networks: dict[str, Any], losses: dict[str, Any]) -> str:
    """The whole text."""
    return "\n".join([_HEAD, _pipelines(speed), _networks(networks), _profile(networks), _HOW, _CUDA, _calls(losses)])


def _machine(result: dict[str, Any]) -> str:
    machine, versions = result["machine"], result["versions"]
    load = machine.get("load_average_before")
    busy = "" if load is None else f"; load average {load:.1f} before it began"
    busy += f", {machine['note']}" if "note" in machine else ""
    return f"{machine['processor']}, {machine['cores']} cores, torch {versions['torch']}{busy}."


def _pipelines(result: dict[str, Any]) -> str:
    rows = result["rows"]
    best = next(r for r in rows if r["codec"].startswith("lite") and r["threads"] == max(x["threads"] for x in rows))
    what = f"{_machine(result)} Clip: {result['clip']}, {best['frames']} frames, {best['threads']} threads."
    lines = ["## Whole pipelines", "", what, ""]
    lines += ["| what | bar | measured | |", "| --- | ---: | ---: | --- |"]
    for name, words, bar, more in BARS:
        met = best[name] >= bar if more else best[name] <= bar
        sign = "at least" if more else "at most"
        lines.append(f"| {words} | {sign} {bar:g} | {best[name]:.4g} | {'met' if met else '**missed**'} |")
    cpu = f"encoding {best['encode_file_cpu_ms']:.1f} ms, decoding {best['decode_file_cpu_ms']:.1f} ms"
    lines += ["", f"All cores together a frame, through files, whatever else the machine does: {cpu}."]
    lines += ["", "| codec | threads | encoded frames a second | decoded |", "| --- | ---: | ---: | ---: |"]
    for row in rows:
        name = row["codec"] + (f" crf {row['crf']}" if row.get("crf") is not None else "")
        lines.append(f"| {name} | {row['threads']} | {row['encode_fps']:.4g} | {row['decode_fps']:.4g} |")
    return "\n".join([*lines, ""])


def _networks(result: dict[str, Any]) -> str:
    lines = [
        "## Drawing one frame",
        "",
        f"{_machine(result)} Threads: {result['threads']}; all in turns in one process, medians of",
        f"{result['rounds']} rounds; ratios are of CPU time. dB: PSNR of the pictures to the network's as it is.",
        "",
        "| way | ms | best ms | CPU ms | to the first | dB |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    for row in result["rows"]:
        decibels = row["psnr_to_the_first"]
        told = "" if decibels is None else f"{decibels:.1f}"
        times = f"{row['ms_median']:.1f} | {row['ms_best']:.1f} | {row['cpu_ms_median']:.1f}"
        times += f" | {row['times_the_first']:.2f}"
        lines.append(f"| {row['subject']} | {times} | {told} |")
    if "paper_to_lite" in result:
        ratio = result["paper_to_lite"]
        lines += ["", f"paper-256 takes **{ratio:.0f} times** as long as the default way (bar: 25 times)."]
    costs = [f"{n}: {c['gflop']:.4g} GFLOP, {c['megabytes_half_precision']:.4g} MB" for n, c in result["floor"].items()]
    head = "What a frame needs at least (operations; memory moved by its layers in half precision):"
    lines += ["", f"{head} {'; '.join(costs)}.", ""]
    if "streams" in result:
        lines += ["Many streams together, all cores, frames a second:", ""]
        lines += ["| " + " | ".join(f"{row['streams']}" for row in result["streams"]) + " |"]
        lines += ["|" + " ---: |" * len(result["streams"])]
        lines += ["| " + " | ".join(f"{row['fps']:.1f}" for row in result["streams"]) + " |", ""]
    return "\n".join(lines)


def _profile(result: dict[str, Any]) -> str:
    lines = ["## Where the time goes, before and after", ""]
    for name, rows in result.get("profile", {}).items():
        lines += [f"{name}:", "", "| operator | ms a frame | calls |", "| --- | ---: | ---: |"]
        lines += [f"| `{row['operator']}` | {row['ms']:.2f} | {row['calls']} |" for row in rows[:10]]
        lines.append("")
    return "\n".join(lines)


def _calls(result: dict[str, Any]) -> str:
    network = result["network"]
    head = _LIVE.format(
        burst=network["burst"],
        delay=1000 * network["delay_s"],
        jitter=1000 * network["jitter_s"],
        reorder=100 * network["reorder"],
    )
    lines = [
        head,
        "| loss | packets sent again | calls | PSNR | kbit/s | concealed | longest outage | key frames asked for |",
        "| ---: | --- | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for row in loss.means(result):
        again = "yes" if row["retransmission"] else "no"
        figures = f"{row['psnr']:.2f} dB | {row['kbps']:.2f} | {100 * row['concealed']:.1f} %"
        asked = f"{row['longest_outage_s']:.2f} s | {row['key_requests']:.1f}"
        lines.append(f"| {100 * row['loss']:.0f} % | {again} | {row['calls']} | {figures} | {asked} |")
    return "\n".join([*lines, ""])


def main(arguments: Sequence[str] | None = None) -> int:
    """The command."""
    read = (json.loads((RESULTS / f"{name}.json").read_text()) for name in ("speed", "networks", "loss"))
    DOCUMENT.write_text(document(*read), encoding="utf-8")
    print(DOCUMENT)
    return 0


if __name__ == "__main__":
    sys.exit(main())
