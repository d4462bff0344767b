"""Where key pictures go, and which ones motion refers to."""

from __future__ import annotations

import pytest

from nvc.source_slots import SourceSlots


def test_one_source_is_always_in_the_same_slot():
    slots = SourceSlots()
    assert [slots.place(new_scene=scene) for scene in (True, False, True)] == [0, 0, 0]
    assert slots.named == (0,)


def test_slots_fill_up_and_the_oldest_makes_room():
    slots = SourceSlots(3)
    seen = []
    for _ in range(5):
        seen.append((slots.place(new_scene=False), slots.named))
    assert seen == [(0, (0,)), (1, (0, 1)), (2, (0, 1, 2)), (0, (0, 1, 2)), (1, (0, 1, 2))]


def test_a_new_scene_takes_the_latest_slot_and_forgets_the_others():
    slots = SourceSlots(4)
    for scene in (True, False, False):
        slots.place(new_scene=scene)
    assert slots.place(new_scene=True) == 2
    assert slots.named == (2,)
    assert slots.place(new_scene=False) == 3 and slots.named == (2, 3)


@pytest.mark.parametrize("count", [0, 5, -1])
def test_the_format_has_four_slots(count):
    with pytest.raises(ValueError, match="must be 1 to 4"):
        SourceSlots(count)
