"""What labels tell about the task: how many animals, how large, how they lie, in what pictures."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Int64

from ethopose.core import Skeleton
from ethopose.train.examples import Placed

TURNING = 270.0  # degrees that the body axis covers where animals walk in every direction
OVERLAP = 0.3  # of the smaller box

Edges = tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Facts:
    """Figures from the labels, lengths in pixels of the frames."""

    pictures: int
    animals: int  # in a picture, at most
    skeleton: Skeleton
    edges: Edges  # join all keypoints of an animal
    size: tuple[int, int]  # height, width of the largest picture
    gray: bool
    length: float  # median of the longer sides of the animals' boxes
    longest: float  # 98th percentile of the same
    turning: float  # degrees that the body axis covers
    crowded: float  # share of the animals whose box overlaps another's

    @property
    def keypoints(self) -> int:
        """How many an animal has."""
        return len(self.skeleton.keypoints)


def facts(placed: Placed, sizes: Int64[np.ndarray, "picture 2"], skeleton: Skeleton, *, gray: bool) -> Facts:
    """Measure labels."""
    seen = np.isfinite(placed.xy).all(-1)
    there = seen[:, :, [name not in skeleton.unique for name in skeleton.keypoints]].any(-1)
    animals = placed.xy[there]
    sides = box_sides(animals)
    longer = sides.max(-1)
    longer = longer[longer > 0] if np.any(longer > 0) else np.array([float(sizes.max()) / 10])
    return Facts(
        pictures=len(sizes),
        animals=int(there.sum(1).max(initial=0)),
        skeleton=skeleton,
        edges=tree(placed, skeleton),
        size=(int(sizes[:, 0].max()), int(sizes[:, 1].max())),
        gray=gray,
        length=float(np.median(longer)),
        longest=float(np.quantile(longer, 0.98)),
        turning=_turning(animals),
        crowded=_crowded(placed, there),
    )


def box_sides(xy: Float32[np.ndarray, "animal keypoint 2"]) -> Float32[np.ndarray, "animal 2"]:
    """Width and height of the boxes around keypoints."""
    known = np.isfinite(xy)
    low, high = np.where(known, xy, np.inf).min(1), np.where(known, xy, -np.inf).max(1)
    sides: Float32[np.ndarray, "animal 2"] = high - low
    return sides


def tree(placed: Placed, skeleton: Skeleton) -> Edges:
    """Edges that join all keypoints of an animal: the skeleton's own where they do, else the shortest
    (the minimum spanning tree of the median distances between keypoints), from the keypoint with most."""
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import breadth_first_order, connected_components, minimum_spanning_tree

    count = len(skeleton.keypoints)
    own = csr_array(
        (np.ones(len(skeleton.edges)), tuple(np.array(skeleton.edges).reshape(-1, 2).T)), (count,) * 2
    )
    if connected_components(own, directed=False)[0] == 1 and len(skeleton.edges) == count - 1:
        return skeleton.edges
    animals = placed.xy.reshape(-1, count, 2)
    apart = np.linalg.norm(animals[:, :, None] - animals[:, None], axis=-1)
    known = np.isfinite(apart)
    far = np.nanmax(np.where(known, apart, np.nan), initial=1.0)
    middle = np.array(
        [
            [np.median(apart[known[:, a, b], a, b]) if known[:, a, b].any() else far for b in range(count)]
            for a in range(count)
        ]
    )
    shortest = minimum_spanning_tree(csr_array(np.triu(middle + 1e-3, 1)))
    links = shortest + shortest.T
    root = int(np.argmax((links > 0).sum(1)))
    found, parent = breadth_first_order(links, root, directed=False)
    return tuple((int(parent[node]), int(node)) for node in found[1:])


def _turning(animals: np.ndarray) -> float:
    """360 less the widest gap between directions of the longest axis, between the two keypoints that
    usually lie farthest apart."""
    count = animals.shape[1]
    if count < 2:
        return 360.0
    apart = np.linalg.norm(animals[:, :, None] - animals[:, None], axis=-1)
    typical = np.where(
        np.isfinite(apart).any(0), np.nanmedian(np.where(np.isfinite(apart).any(0), apart, 0), 0), 0
    )
    head, tail = np.unravel_index(np.argmax(typical), typical.shape)
    way = animals[:, head] - animals[:, tail]
    way = way[np.isfinite(way).all(-1)]
    if len(way) < 3:
        return 0.0
    angle = np.sort(np.degrees(np.arctan2(way[:, 1], way[:, 0])))
    return float(360 - np.diff(angle, append=angle[0] + 360).max())


def _crowded(placed: Placed, there: np.ndarray) -> float:
    overlapping = total = 0
    for animals, present in zip(placed.xy, there, strict=True):
        boxes = animals[present]
        total += len(boxes)
        if len(boxes) < 2:
            continue
        known = np.isfinite(boxes)
        low, high = np.where(known, boxes, np.inf).min(1), np.where(known, boxes, -np.inf).max(1)
        shared = np.minimum(high[:, None], high) - np.maximum(low[:, None], low)
        area = np.prod(np.maximum(shared, 0), -1)
        own = np.prod(high - low, -1)
        share = area / np.maximum(np.minimum(own[:, None], own), 1e-6)
        np.fill_diagonal(share, 0)
        overlapping += int(np.sum(share.max(1) > OVERLAP))
    return overlapping / max(total, 1)
