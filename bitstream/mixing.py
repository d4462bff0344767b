"""Binary decisions predicted from two contexts at once, in integers.

A *slot* holds what is known of one decision in one context: a probability ``p`` of a 1 in units of 2^-16, and a count
``n`` of what it has seen. Every decision looks at two slots, a and b, and mixes their predictions in the logistic
domain with two weights that are learnt too. Normative arithmetic (``>>`` rounds towards minus infinity; every
intermediate fits in 32 bits with sign, products in 48)::

    s_a = STRETCH[p_a >> 4],  s_b = STRETCH[p_b >> 4]          -2047..2047, units of 1/256
    x   = (w_a s_a + w_b s_b) >> 16                             held to -2047..2047; weights 0..131072, 65536 is 1
    q   = SQUASH[x + 2048]                                      32..65504: the decision is coded with this probability
    after decision d (0 or 1):
        e   = 65536 d - q
        w_a = w_a + ((e s_a + 8192) >> 14),  w_b likewise       held to 0..131072
        for both slots:  p = p + (((65536 d - p) RATE[n]) >> 16) held to 32..65504,  n = min(n + 1, 60)

STRETCH (4096 entries), SQUASH (4096) and RATE (61) are in spec/tables/mixing.json.
"""

from __future__ import annotations

from bitstream.rangecoder import SymbolCoder
from bitstream.tables import load_table

_TABLE = load_table("mixing")
STRETCH: tuple[int, ...] = tuple(_TABLE["stretch"])
SQUASH: tuple[int, ...] = tuple(_TABLE["squash"])
RATE: tuple[int, ...] = tuple(_TABLE["rate"])
LIMIT = len(RATE) - 1  #: the largest count of a slot
LEAST, MOST = 32, 65504  #: bounds of every probability
_MOST_WEIGHT = 1 << 17
_EDGE = 2047


class Mixer:
    """Slots and weights of many decisions. ``p`` and ``n`` are lists of equal length, ``weights`` a flat list of
    pairs. Copy with :meth:`clone`."""

    __slots__ = ("n", "p", "weights")

    def __init__(self, p: list[int], n: list[int], weights: list[int]) -> None:
        self.p, self.n, self.weights = p, n, weights

    def clone(self) -> Mixer:
        """An independent copy."""
        return Mixer(self.p[:], self.n[:], self.weights[:])

    def code(self, coder: SymbolCoder, kind: int, a: int, b: int, bit: int = 0) -> int:
        """Encode ``bit``, or decode one, with slots ``a`` and ``b`` and weight pair ``kind``; learn from it."""
        p, n, w, k = self.p, self.n, self.weights, 2 * kind
        p_a, p_b = p[a], p[b]
        s_a, s_b = STRETCH[p_a >> 4], STRETCH[p_b >> 4]
        x = w[k] * s_a + w[k + 1] * s_b >> 16
        q = SQUASH[(x if x < _EDGE else _EDGE) + 2048 if x > -_EDGE else 1]
        bit = coder.bit(q, bit)
        target = bit << 16
        e = target - q
        w[k] = min(max(w[k] + (e * s_a + 8192 >> 14), 0), _MOST_WEIGHT)
        w[k + 1] = min(max(w[k + 1] + (e * s_b + 8192 >> 14), 0), _MOST_WEIGHT)
        p_a += (target - p_a) * RATE[n[a]] >> 16
        p[a] = LEAST if p_a < LEAST else MOST if p_a > MOST else p_a
        p_b += (target - p_b) * RATE[n[b]] >> 16
        p[b] = LEAST if p_b < LEAST else MOST if p_b > MOST else p_b
        if n[a] < LIMIT:
            n[a] += 1
        if n[b] < LIMIT:
            n[b] += 1
        return bit
