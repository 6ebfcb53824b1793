"""Which keypoints are each other's mirror images, guessed from their names."""

import re
from collections.abc import Sequence

# left or right as a word anywhere; l or r, with h(ind) or f(ore) after it, where a word begins or ends
_WORD = re.compile(r"left|right", re.IGNORECASE)
_LETTER = re.compile(
    r"(?<![A-Za-z])[lLrR](?=[HhFf]?(?![A-Za-z]))"  # ear_l, 1LH_top, l_ear
    r"|(?<=[a-z0-9])[LR](?=[HF]?(?![A-Za-z]))"  # earL, pawLF
    r"|(?<![A-Za-z])[lLrR](?=[A-Z])"  # LEar, lEar
)
_OTHER = {"left": "right", "right": "left", "l": "r", "r": "l"}


def guess_symmetries(keypoints: Sequence[str]) -> tuple[tuple[int, int], ...]:
    """Pairs (left, right) of keypoints whose names differ in nothing but one left or right.

    left_ear and right_ear, earL and earR, paw_LH and paw_RH; paw1LH and paw4RH differ in a number and are
    no pair. A name that could belong to two others is left out.
    """
    place = {name: index for index, name in enumerate(keypoints)}
    mirrors = [{place[name] for name in _mirrored(keypoint) if name in place} for keypoint in keypoints]
    pairs: dict[tuple[int, int], None] = {}
    for one, others in enumerate(mirrors):
        if len(others) == 1 and len(mirrors[two := next(iter(others))]) == 1 and one != two:
            pair = (one, two) if _is_left(keypoints[one], keypoints[two]) else (two, one)
            pairs[pair] = None
    return tuple(pairs)


def _mirrored(name: str) -> list[str]:
    """The name with one left or right turned round, for each of them."""
    turned = []
    for match in (*_WORD.finditer(name), *_LETTER.finditer(name)):
        old = match.group()
        new = _OTHER[old.lower()]
        new = new.upper() if old.isupper() else new.capitalize() if old[0].isupper() else new
        turned.append(name[: match.start()] + new + name[match.end() :])
    return turned


def _is_left(one: str, two: str) -> bool:
    """Whether the first of two mirrored names is the left one: where they first differ it has an l."""
    return next(a.lower() == "l" for a, b in zip(one, two, strict=False) if a != b)
