"""The faulty conformance vectors of MOTION; the other ones are in vector_faults.py."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from vector_writer import RESILIENT, SEQUENCE, N, Stream, good, key, noise, run, unit

from bitstream import MotionCrc
from bitstream.motionmodel import MotionModel
from bitstream.rangecoder import RangeEncoder
from bitstream.trace import trace_stream

MOTION = 2
SPECIAL = ("bit", 1024, 1)


def _header(frames: int, truncation: int, mask: int | None, count: int | None = None) -> list[tuple[str, int, int]]:
    symbols = [SPECIAL, ("bypass", 6, frames - 1), ("bypass", 2, truncation), ("bypass", 1, int(mask is not None))]
    if mask is not None:
        symbols.append(("bypass", 4, mask))
    if count is not None:
        symbols.append(("bypass", 4, count))
    return symbols


def motions() -> Iterator[tuple[str, str, bytes]]:
    """R and M conditions in MOTION."""

    def after(*symbols: tuple[str, int, int], stream: Stream | None = None) -> bytes:
        return (stream or good()).raw(unit(MOTION, run(*symbols))).end()

    usual = good().motion(noise(1, size=50))
    coded = usual.units[-1][2:-2]
    yield "R2", "motion-with-a-zero-more", good().raw(unit(MOTION, coded + b"\0")).end()
    yield "R2", "motion-not-shortest", _not_shortest(coded)
    yield "R1", "motion-points-nowhere", good().raw(unit(MOTION, b"\xff" * 12)).end()
    high = key(values=noise(1, size=0) + 32767)
    yield "R3", "motion-integer", _beyond(high)
    yield "M1", "motion-header-of-defaults", after(*_header(1, 0, None))
    yield "P6", "motion-truncation-3", after(*_header(1, 3, None))
    yield "M2", "motion-no-source", after(*_header(1, 0, 0))
    yield "M3", "motion-usual-source", after(*_header(1, 0, 1))
    yield "M3", "motion-usual-source-resilient", after(*_header(1, 0, 1), stream=Stream(RESILIENT).add(key()))
    yield "M4", "motion-empty-slot", after(*_header(1, 0, 3))
    yield "M5", "motion-count-is-all", after(*_header(2, 1, None, N))
    yield "M5", "motion-count-above-all", after(*_header(2, 1, None, 15))
    yield "M5", "motion-frame-count-above-all", _after_run(_counts([9]))
    yield "M6", "motion-frame-counts-alike", _after_run(_counts([8, 8]))
    yield "M7", "motion-frame-count-repeated", _after_run(_counts([3, 3]))
    yield "M8", "motion-without-crc", good().raw(unit(MOTION, coded, crc_flag=0)).end()
    bare = Stream(replace(SEQUENCE, motion_crc=MotionCrc.NONE)).add(key())
    yield "M8", "motion-with-crc", bare.raw(unit(MOTION, coded)).end()


def _not_shortest(coded: bytes) -> bytes:
    """Another byte after a run, the first one that does not make it the run of other symbols."""
    streams = (good().raw(unit(MOTION, coded + bytes([more]))).end() for more in range(1, 256))
    return next(data for data in streams if "canonical" in str(trace_stream(data).error))


def _after_run(coder: RangeEncoder) -> bytes:
    return good().raw(unit(MOTION, coder.finish())).end()


def _counts(counts: list[int]) -> RangeEncoder:
    """Frames without residuals that spell out every one of these counts, also where they should not."""
    coder, model = RangeEncoder(), MotionModel(SEQUENCE, key().values)
    for kind, parameter, symbol in _header(len(counts), 2, None):
        getattr(coder, kind)(parameter, symbol)
    for count in counts:
        model._same_count.code(coder, int(count != N))
        if count != N:
            coder.bypass(4, count)
        model.code_frame(coder, min(count, N), model.prediction())
    return coder


def _beyond(high: object) -> bytes:
    """A residual of +1 on an integer that is 32767, made by taking the first residual of another stream."""
    twin = Stream().add(key(values=noise(1, size=0)))
    step = noise(1, size=0)
    step[0, 0] = 1
    return Stream().add(high).raw(twin.motion(step).units[-1]).end()
