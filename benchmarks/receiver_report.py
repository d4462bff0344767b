"""docs/receiver.md: what a receiver may ask for, in figures. A pure function of the committed JSON.

python -m benchmarks.receiver_report docs/receiver.md
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).resolve().parent / "results"
Data = dict[str, Any]
_HEAD = """# What a receiver may ask for, in figures

Written by `python -m benchmarks.receiver_report docs/receiver.md` from the JSON in `benchmarks/results`: change the
one and run the other. All clips show people whom no network was trained on. Faces, landmarks and identity vectors are
dlib's, which shares nothing with the codec.

![One key picture of the demo portrait, drawn in many ways](receiver.png)
"""


def _free_view(data: Data) -> str:
    gain = data["estimator_on_real_frames"]["gain"]
    columns = {"yaw": 0, "pitch": 0, "seen_yaw": 1, "seen_pitch": 1, "error": 1, "aed": 3}
    return f"""## Free view

The first frame of each clip is the key picture; the head is held frontal and turned. A face is found in
{data["faces_found"]} of {data["pictures"]} pictures. Mean angle between the turn that was asked and the one that is
seen: **{data["mean_error_degrees"]:.1f} degrees**; identity distance to the original: **{data["mean_aed"]:.3f}**
(0.6 is another person). Of the yaw that was asked {data["yaw_gain"]:.2f} is seen, of the pitch
{data["pitch_gain"]:.2f}. The estimator has a gain of its own: of turns between real frames it sees
{gain["yaw"]:.2f} of the yaw and {gain["pitch"]:.2f} of the pitch that face-mesh labels tell.

{_rows(data["by_view"], columns)}"""


def _transfer(data: Data) -> str:
    rows = sorted(
        ({"way": way, **figures} for way, figures in data["ways"].items()), key=lambda row: row["aed_portrait"]
    )
    columns = {"way": None, "aed_portrait": 3, "aed_driver": 3, "motion": 3, "mouth": 3}
    return f"""## Motion transfer

{rows[0]["pairs"]} pairs of driver and portrait. Identity distances to the portrait (should be small) and to the driver
(should be large); correlation of landmark motion with the driver's, of all landmarks, and of the mouth alone with head
motion taken out. `driver's geometry` is what is *not* done: pose, canonical keypoints and expression as they are.

{_rows(rows, columns)}"""


def _expressions(data: Data) -> str:
    rows = [{**row, "control": f"`{row['control']}` {row['amount']:+g}"} for row in data["controls"]]
    columns = {"control": None, "names": None, "moved": 1, "right_way": 2, "moves_most_else": None, "by": 1}
    left = data["face_motion_by_strength"]
    return f"""## Expression controls

Changes in percent of the distance between the outer corners of the eyes, mean of {rows[0]["clips"]} people;
`right_way`: share of them in whom it goes where it should. Gaze is read off the dark of the eyes, roughly. How much
faces move, head motion taken out: neutralised {left["0"]:.1f}, as they are {left["1"]:.1f}, exaggerated twice
{left["2"]:.1f}; what is left when neutralised is landmarks that tremble while the head moves.

{_rows(rows, columns)}"""


def _sources(data: Data) -> str:
    columns = {
        "interval": 0,
        "sources": 0,
        "bytes": 0,
        "psnr": 2,
        "ms_ssim": 4,
        "switch_step": 2,
        "drawings_a_frame": 2,
    }
    return f"""## Several sources

Files name one source for every stretch of frames: the encoder tries pictures as sources of the frames to come, and
sends those that pay ([rate-control.md](rate-control.md)). Streams may also name several at once (`Encoder(sources=2)`),
and the receiver weighs them per pixel; in both cases it goes from one to the next without a jump.

What the weighing does with key frames at a fixed interval, {data["means"][0]["clips"]} clips. The step at a switch is
the change of the picture at a key frame against the mean change from frame to frame; the bar is {data["bar"]:g}. One
source switches at once. A
transition that meets the bar takes up to 32 frames, in which a part of the picture still comes from the older source:
that is what PSNR loses. At most the two best sources are drawn, so more than two matter only when a head comes back.

![Bytes, PSNR and step at a switch against the interval of key frames](several-sources.png)

{_rows(data["means"], columns)}"""


def _small_keys(data: Data) -> str:
    columns = {"qp": 0, "way": None, "bytes": 0, "psnr": 2, "ms_ssim": 4, "drawn_psnr": 2, "drawn_ms_ssim": 4}
    return f"""## Key pictures coded small

The full size at a QP, and at its bytes the finest smaller picture, enlarged by the receiver. What begins with `drawn`
is of a later frame that is drawn from the picture. Files are encoded so since: the encoder takes the side that is
nearest to the original, picture by picture (`nvc/key_size.py`).

{_rows(data["means"], columns)}"""


def _restored(data: Data) -> str:
    columns = {"qp": 0, "way": None, "bytes": 0, "psnr": 2, "ms_ssim": 4, "drawn_psnr": 2, "drawn_ms_ssim": 4}
    return f"""### Restored by a network

The same for four clips, with a restorer (`nvc/models/restorer.py`, about 5 GFLOP a key picture) that was trained for
ten minutes on a busy core, some 250 steps. It is better than enlarging, by little in the frames that are drawn; it is
not shipped, since its weights would have to be part of the model that a stream names.

{_rows(data["means"], columns)}"""


LOOKED_AT = {
    "free_view": """*Looked at:* up to 20 degrees faces hold together; at 30 the far cheek and the hair smear, and
straight lines behind the head bend. Pitched down by 20 degrees foreheads grow. A person whose key picture is itself
turned away has a doubled cheek when brought to the front.""",
    "motion_transfer": """*Looked at:* both ways keep face and hair of the portrait; with the driver's geometry eyes
and the width of the face pass over. Absolute transfer bends collars and shoulders where the driver's head has another
place in the picture. Glances follow weakly, the insides of mouths are blurred.""",
    "expressions": """*Looked at:* jaw, smile, brow and blink read as what they name. A mouth that was shut opens
as a dark oval, with teeth only where the key picture shows some; lids close almost; gaze moves by a pixel or two.""",
}
"""What the sheets show; written by hand, to be looked at again whenever the figures change."""

SECTIONS: dict[str, Callable[[Data], str]] = {
    "free_view": _free_view,
    "motion_transfer": _transfer,
    "expressions": _expressions,
    "several_sources": _sources,
    "small_keys": _small_keys,
    "small_keys_restored": _restored,
}


def render(results: Path = RESULTS) -> str:
    """The page, of those sections whose JSON is there."""
    parts = [_HEAD]
    for name, section in SECTIONS.items():
        path = results / f"{name}.json"
        if path.exists():
            parts.append(section(json.loads(path.read_text(encoding="utf-8"))))
            parts += [LOOKED_AT[name]] if name in LOOKED_AT else []
    return "\n".join(part.rstrip() + "\n" for part in parts)


def _rows(rows: Sequence[Data], columns: Mapping[str, int | None]) -> str:
    """A table of some columns, numbers with so many digits (None: text)."""
    lines = [[name.replace("_", " ") for name in columns], ["---"] * len(columns)]
    lines += [[_cell(row[name], digits) for name, digits in columns.items()] for row in rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _cell(value: Any, digits: int | None) -> str:
    if value is None:
        return "–"
    return str(value) if digits is None else f"{value:.{digits}f}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the page."""
    (target,) = sys.argv[1:] if arguments is None else arguments
    Path(target).write_text(render(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
