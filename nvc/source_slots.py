"""The sender's side of several sources: in which slot a key picture goes, and which ones motion refers to."""

from __future__ import annotations

from bitstream.limits import SOURCE_SLOTS


def check_sources(count: int) -> None:
    """Raise ValueError unless a receiver can hold so many key pictures."""
    if not 1 <= count <= SOURCE_SLOTS:
        raise ValueError(f"sources is {count}; it must be 1 to {SOURCE_SLOTS}")


class SourceSlots:
    """Places key pictures in up to four slots, the oldest making room."""

    def __init__(self, count: int = 1, *, mixed: bool = True) -> None:
        """``count``: key pictures that the receiver may hold, 1 to 4; ``mixed``: motion refers to all of them at once.

        Raises ValueError for another number.
        """
        check_sources(count)
        self._count = count
        self._mixed = mixed
        self._held: list[int] = []  # the latest last
        self._current = 0

    @property
    def current(self) -> int:
        """The slot of the latest key picture, or the one that motion has gone back to."""
        return self._current

    @property
    def named(self) -> tuple[int, ...]:
        """Slots that motion is to be drawn from."""
        return tuple(sorted(self._held)) if self._mixed else (self._current,)

    def draw_from(self, slot: int) -> None:
        """Go back to a picture that is held. Raises ValueError if the slot holds none."""
        if slot not in self._held:
            raise ValueError(f"slot {slot} holds no picture")
        self._current = slot

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
        self._current = self._held[-1]
        return self._current
