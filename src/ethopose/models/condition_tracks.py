"""Animals that are told apart by where they were: poses of a frame as conditions for the next one.

Which poses go on, which are the same animal twice, and which that another model found are new. A pose is
(keypoint, 3): x, y in px and confidence, NaN what is not known. Source: DeepLabCut 3.0.1, CTDInferenceRunner
and nms_oks, whose arithmetic this is: it takes the confidence for a third coordinate.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float, Float32, Int64

SIGMA = 0.1  # of a keypoint's place, in shares of the animal's extent
MARGIN = 1.0  # added to both sides of each extent where poses of one model are compared
NOTHING = 1e-8  # an extent that NumPy calls close to none


def similarity(
    found: Float[np.ndarray, "keypoint 3"], known: Float[np.ndarray, "keypoint 3"], margin: float = 0.0
) -> float:
    """How much a pose is where a known one is, 0 to 1 (object keypoint similarity of COCO); NaN where the
    known one has fewer than two keypoints, or no extent."""
    there = ~np.isnan(known).all(1)
    if there.sum() < 2:
        return float("nan")
    known, found = known[there].astype(np.float64), found[there].astype(np.float64)
    extent = float(np.prod(np.ptp(known, axis=0) + np.spacing(1) + 2 * margin))
    if abs(extent) <= NOTHING:
        return float("nan")
    square = np.square(np.where(np.isnan(found), np.inf, found) - known).sum(1)
    return float(np.exp(-square / (2 * extent * (2 * SIGMA) ** 2)).mean())


def going_on(
    poses: Float32[np.ndarray, "track keypoint 3"], least: float, size: tuple[int, int]
) -> Float32[np.ndarray, "track keypoint 3"]:
    """Poses without the keypoints whose confidence is `least` or below, or that lie outside of a frame of
    `size` (width, height)."""
    with np.errstate(invalid="ignore"):
        gone = (poses[..., 2] <= least) | (poses[..., :2] < 0).any(-1) | (poses[..., :2] >= size).any(-1)
    return np.where(gone[..., None], np.float32(np.nan), poses)


def order_of(
    poses: Float32[np.ndarray, "track keypoint 3"], ages: Float[np.ndarray, "track"], *, vanished: bool
) -> Int64[np.ndarray, "candidate"]:
    """Tracks in the order in which they count: the oldest first, of equal ones the surest. `vanished` ones,
    of which fewer than two keypoints are left, are in it by their age, or not at all."""
    whole = _visible(poses)
    rank = ages.astype(np.float64)
    rank[whole] += np.nanmean(poses[whole, :, 2], axis=-1)
    order = np.argsort(rank)[::-1]
    return order[(rank[order] > 0) & (vanished | whole[order])]


def kept(
    poses: Float32[np.ndarray, "track keypoint 3"], order: Int64[np.ndarray, "candidate"], alike: float
) -> Bool[np.ndarray, "track"]:
    """Which of the poses stay, where each drops those after it in the `order` that are `alike` or more."""
    stay = np.zeros(len(poses), bool)
    if not _visible(poses).any():
        return stay
    left = order.tolist()
    while left:
        mine, *left = left
        stay[mine] = True
        left = [other for other in left if similarity(poses[mine], poses[other], MARGIN) < alike]
    return stay


def newcomers(
    found: Float32[np.ndarray, "animal keypoint 3"],
    known: Float32[np.ndarray, "condition keypoint 3"],
    least: float,
    alike: float,
) -> Float32[np.ndarray, "new keypoint 3"]:
    """Animals found anew that are not where a known one is: less than `alike`, the least so first. Keypoints
    of less than `least` confidence do not count, nor animals of fewer than two others."""
    with np.errstate(invalid="ignore"):
        found = np.where((found[..., 2] < least)[..., None], np.float32(np.nan), found)
    found = found[_visible(found)]
    alikeness = np.array([max((_alike(pose, each) for each in known), default=0.0) for pose in found])
    order = np.argsort(alikeness, kind="stable")
    return found[order[alikeness[order] < alike]]


def _alike(pose: Float32[np.ndarray, "keypoint 3"], known: Float32[np.ndarray, "keypoint 3"]) -> float:
    """As `similarity`, 0 where that cannot be told."""
    return max(0.0, similarity(pose, known))  # in this order a NaN is passed over


def _visible(poses: Float32[np.ndarray, "track keypoint 3"]) -> Bool[np.ndarray, "track"]:
    """Which have two keypoints or more."""
    seen: np.ndarray = (~np.isnan(poses)).all(-1).sum(-1) > 1
    return seen
