"""Labels and poses brought to the keypoints that both have."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ethopose.core import DataError, Poses, Skeleton


def names_in_common(labelled: Skeleton, known: Skeleton) -> tuple[str, ...]:
    """The keypoints that labels and poses share, in the labels' order.

    Raises:
        DataError: there are none.
    """
    names = tuple(name for name in labelled.keypoints if name in known.keypoints)
    if not names:
        placed, found = ", ".join(labelled.keypoints), ", ".join(known.keypoints)
        raise DataError(
            f"the labels hold {placed}; the poses hold {found}: none in common",
            fix="give labels of the model's own keypoints",
        )
    return names


def in_common(truth: Poses, found: Poses) -> tuple[Poses, Poses, tuple[str, ...]]:
    """Both with the keypoints that they share, in the labels' order; and a note on those that only one has.

    Raises:
        DataError: they share no keypoint.
    """
    names = names_in_common(truth.skeleton, found.skeleton)
    only = [
        f"{', '.join(missing)} ({whose} only)"
        for whose, poses in (("labels", truth), ("poses", found))
        if (missing := [name for name in poses.skeleton.keypoints if name not in names])
    ]
    notes = (f"keypoints left out: {'; '.join(only)}",) if only else ()
    return reduced(truth, names), reduced(found, names), notes


def reduced(poses: Poses, names: Sequence[str]) -> Poses:
    """Poses of these keypoints, in this order; edges and symmetries between others go."""
    skeleton = poses.skeleton
    places = [skeleton.keypoints.index(name) for name in names]
    edges, symmetries = (
        tuple((places.index(a), places.index(b)) for a, b in pairs if a in places and b in places)
        for pairs in (skeleton.edges, skeleton.symmetries)
    )
    kept = tuple(name for name in skeleton.unique if name in names)
    fewer = replace(skeleton, keypoints=tuple(names), edges=edges, symmetries=symmetries, unique=kept)
    xy, confidence = np.ascontiguousarray(poses.xy[:, places]), poses.confidence[:, places]
    return replace(poses, skeleton=fewer, xy=xy, confidence=confidence)
