"""Everything that can be wrong with a stream, as classes.

Any bytes may be given to any parser of this package; nothing but a :class:`BitstreamError` comes out. Each is also a
:class:`ValueError`, so that callers who do not care can catch that.
"""

from __future__ import annotations


class BitstreamError(ValueError):
    """Base of all errors raised by :mod:`bitstream`."""


class Truncated(BitstreamError):
    """The stream ends inside a unit or inside the file signature."""


class Corrupt(BitstreamError):
    """The bytes break a rule of the format: CRC, canonical form, range or order."""


class InvalidField(Corrupt):
    """A syntax element is outside its range. Raised alike when parsing and when building a unit."""


class Unsupported(BitstreamError):
    """Valid as far as can be told, but made for a later version, another profile or an unknown codec."""


class LimitExceeded(BitstreamError):
    """A size or count is larger than :class:`bitstream.Limits` allows; nothing was allocated for it."""


class ModelMismatch(BitstreamError):
    """The stream names another model than the one at hand."""
