"""What the animals of a world are made of: keypoints in the order in which they are given out."""

from __future__ import annotations

from ethopose.core import Skeleton

# A keypoint hangs on the next keypoint towards the body that the skeleton has.
PARENTS = {
    "body": "",
    "nose": "head",
    "tail_base": "body",
    "left_forepaw": "body",
    "right_forepaw": "body",
    "left_hindpaw": "body",
    "right_hindpaw": "body",
    "head": "body",
    "left_ear": "head",
    "right_ear": "head",
}
PARTS = tuple(PARENTS)


def skeleton(keypoints: int, animals: int) -> Skeleton:
    """The first `keypoints` parts of the animal; beyond ten, points along the tail, tip last.

    The edges form a tree with the body as its root; the individuals are `animal_1`, `animal_2` and so on.
    """
    names = (*PARTS[:keypoints], *(f"tail_{point}" for point in range(1, tail_points(keypoints) + 1)))
    edges = tuple((names.index(_parent(name, names)), child) for child, name in enumerate(names) if child)
    symmetries = tuple(
        (index, names.index(name.replace("left", "right")))
        for index, name in enumerate(names)
        if name.startswith("left") and name.replace("left", "right") in names
    )
    individuals = tuple(f"animal_{animal + 1}" for animal in range(animals))
    return Skeleton(names, edges, symmetries, individuals)


def tail_points(keypoints: int) -> int:
    """How many of the keypoints lie along the tail."""
    return max(0, keypoints - len(PARTS))


def _parent(name: str, names: tuple[str, ...]) -> str:
    if name.startswith("tail_") and name != "tail_base":
        before = int(name.removeprefix("tail_")) - 1
        return f"tail_{before}" if before else "tail_base"
    parent = PARENTS[name]
    return parent if parent in names else _parent(parent, names)
