"""The sender's side of several sources: in which slot a key picture goes, and which ones motion refers to."""

from __future__ import annotations

from bitstream.limits import SOURCE_SLOTS


def check_sources(count: int) -> None:
    """Raise ValueError unless a receiver can hold so many key pictures."""
    if not 1 <= count <= SOURCE_SLOTS:
        raise ValueError(f"sources is {count}; it must be 1 to {SOURCE_SLOTS}")


class SourceSlots:
    """Places key pictures in up to four slots, the oldest making room."""

    def __init__(self, count: int = 1) -> None:
        """``count``: key pictures that the receiver may hold, 1 to 4. Raises ValueError for another number."""
        check_sources(count)
        self._count = count
        self._held: list[int] = []  # the latest last

    @property
    def named(self) -> tuple[int, ...]:
        """Slots that motion after the last key frame is to be drawn from."""
        return tuple(sorted(self._held))

    def place(self, *, new_scene: bool) -> int:
        """The slot of the next key picture.

        In a new scene what is held is worth nothing: the picture takes the latest one's slot, at which receivers
        switch without a transition, and motion refers to it alone.
        """
        if not self._held:
            self._held = [0]
        elif new_scene or self._count == 1:
            self._held = self._held[-1:]
        else:
            free = (self._held[-1] + 1) % self._count
            self._held = [slot for slot in self._held if slot != free] + [free]
        return self._held[-1]
