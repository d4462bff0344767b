"""Trains the initial tables of the motion coder, spec/tables/motion.json, on landmark labels.

    python -m benchmarks.motion_tables --data FOLDER -o spec/tables/motion.json

Every clip of FOLDER/train is coded as a file, live with three frames of delay and live with none; each slot of each
kind of coefficient starts from how often its decision was 1. Frames coded straight from a key frame far back are added,
which is what error resilience needs. After a change, bitstream/tables.py has to be told the printed SHA-256.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

import bitstream
from benchmarks.motion_labels import LabelledClip, load_clips, load_mesh, sensitivity
from bitstream import motionmodel
from bitstream.mixing import LEAST, MOST, Mixer
from bitstream.motion import BitCounter
from bitstream.motion_rdo import MotionOptimiser
from bitstream.rangecoder import SymbolCoder

EXPRESSION_COUNT = 40
FRAMES = 250  # of each clip
POSE_QUANTISER, EXPRESSION_QUANTISER = 24, 22
FILE_LAGRANGIAN, LIVE_LAGRANGIANS = 0.036, ((3, 0.034), (0, 0.013))  # (look-ahead, lagrangian); 0.6 px of error
MOST_COUNT = 8  # confidence of an initial slot, so that it still adapts quickly
_PRIOR = {0: 0.15, 1: 0.5, 2: 0.3}  # of the decisions zero, sign, more
_RESET_EVERY, _FARTHEST = 12, 20  # frames
EVEN_WEIGHTS = [32768] * 6

Integers = npt.NDArray[np.int32]
Slots = list[list[tuple[int, int]]]


def make_sequence(expression_count: int, **changes: int) -> bitstream.Sequence:
    """A SEQUENCE for measuring motion alone."""
    fields = {"pose_quantiser": POSE_QUANTISER, "expression_quantiser": EXPRESSION_QUANTISER, **changes}
    return bitstream.Sequence(
        side=256,
        source_width=256,
        source_height=256,
        crop_side=256,
        frame_rate_numerator=25,
        model_id=bytes(16),
        keypoint_count=478,
        expression_count=expression_count,
        canonical_quantiser=20,
        **fields,  # type: ignore[arg-type]
    )


def choose_integers(clip: LabelledClip, sequence: bitstream.Sequence) -> Iterator[Integers]:
    """The clip's motion as integers [T, 7 + N], key frame first, in each way of coding."""
    key = bitstream.quantise(clip.motion[0], bitstream.frame_steps(sequence))
    weights = sensitivity(clip)
    optimiser = MotionOptimiser(sequence, lagrangian=FILE_LAGRANGIAN, sensitivity=weights)
    optimiser.start(key.tolist())
    yield np.concatenate([key[None], optimiser.run(clip.motion[1:])])
    for look_ahead, lagrangian in LIVE_LAGRANGIANS:
        optimiser = MotionOptimiser(sequence, lagrangian=lagrangian, sensitivity=weights, look_ahead=look_ahead)
        optimiser.start(key.tolist())
        frames = [frame for values in clip.motion[1:] if (frame := optimiser.push(values)) is not None]
        while (frame := optimiser.flush()) is not None:
            frames.append(frame)
        yield np.array([key, *frames])


class _CountingMixer(Mixer):
    """Counts decisions instead of coding them: [kind of coefficient, slot, decision]."""

    def __init__(self, size: int) -> None:
        super().__init__([], [], [])
        self._kinds = [motionmodel.kind_of(i) for i in range(size)]
        self.counts = np.zeros((motionmodel.KINDS, motionmodel.SLOTS, 2))
        self.share = 1.0

    def code(self, coder: SymbolCoder, kind: int, a: int, b: int, bit: int = 0) -> int:
        for slot in (a, b):
            i, within = divmod(slot, motionmodel.SLOTS)
            self.counts[self._kinds[i], within, bit] += self.share
        return bit


def count_decisions(clips: Sequence[Integers], sequence: bitstream.Sequence) -> npt.NDArray[np.float64]:
    """How often each decision was 0 and 1, over clips coded on and frames coded from a key frame far back."""
    generator = np.random.default_rng(1)
    mixer = _CountingMixer(sequence.frame_values)
    for frames in clips:
        runs = [(1 / 3, frames)]
        for at in range(0, len(frames) - _FARTHEST - 1, _RESET_EVERY):
            runs.append((1 / 3, frames[[at, at + int(generator.integers(1, _FARTHEST + 1))]]))
        for mixer.share, run in runs:
            model = motionmodel.MotionModel(sequence, run[0].tolist())
            model.mixer = mixer
            for frame in run[1:].tolist():
                model.code_frame(BitCounter(), sequence.expression_count, frame)
    return mixer.counts


def make_slots(counts: npt.NDArray[np.float64]) -> Slots:
    """Initial [p, n] of every kind's slots."""
    slots = []
    for kind in counts:
        row = []
        for slot, (zeros, ones) in enumerate(kind):
            prior = _PRIOR[0 if slot < 18 else 1 if slot < 38 else 2]
            p = round(65536 * (ones + 2 * prior) / (zeros + ones + 2))
            row.append((min(max(p, LEAST), MOST), int(min(MOST_COUNT, (zeros + ones) / 4))))
        slots.append(row)
    return slots


def train_weights(clips: Sequence[Integers], sequence: bitstream.Sequence, slots: Slots) -> list[int]:
    """Weights that learning settles on, starting each clip from the slots."""
    weights, seen = list(EVEN_WEIGHTS), []
    kinds = [motionmodel.kind_of(i) for i in range(sequence.frame_values)]
    for frames in clips:
        model = motionmodel.MotionModel(sequence, frames[0].tolist())
        p, n = [p for kind in kinds for p, _ in slots[kind]], [n for kind in kinds for _, n in slots[kind]]
        model.mixer = Mixer(p, n, weights)
        for frame in frames[1:].tolist():
            model.code_frame(BitCounter(), sequence.expression_count, frame)
        weights = list(model.mixer.weights)
        seen.append(weights)
    return [round(float(w)) for w in np.mean(seen[len(seen) // 4 :], axis=0)]


def to_json(slots: Slots, weights: list[int]) -> str:
    """The table file, one line a kind."""
    rows = ",\n".join("[" + ", ".join(f"[{p}, {n}]" for p, n in row) + "]" for row in slots)
    what = "initial slots [p, n] of the 18 kinds of coefficient, 134 each; initial weight pairs of the three decisions"
    return f'{{"name": "motion",\n "what": "{what}",\n "weights": {json.dumps(weights)},\n "slots": [\n{rows}]}}\n'


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line: train and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--data", type=Path, required=True, help="folder with face_basis.npz and train/")
    parser.add_argument("-o", "--output", type=Path, required=True)
    options = parser.parse_args(arguments)
    sequence = make_sequence(EXPRESSION_COUNT)
    clips = load_clips(
        options.data / "train", load_mesh(options.data / "face_basis.npz", EXPRESSION_COUNT), frames=FRAMES
    )
    integers = [frames for clip in clips for frames in choose_integers(clip, sequence)]
    slots = make_slots(count_decisions(integers, sequence))
    text = to_json(slots, train_weights(integers, sequence, slots))
    options.output.write_text(text, encoding="utf-8")
    sys.stdout.write(f"{options.output}: {len(clips)} clips, SHA-256 {hashlib.sha256(text.encode()).hexdigest()}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
