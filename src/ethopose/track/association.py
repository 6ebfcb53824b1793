"""Frame by frame, who goes on as whom: poses become tracklets.

A track is a place with a velocity (a Kalman filter, one variance for both axes) and a pose about it. A pose
is compared with a track by laying one on the other: how far the body moved from where it was expected, if it
went on straight or turned with its body; how much it turned; how well the shapes agree. All of it is a
likelihood relative to an animal that appears anywhere, and the likeliest one-to-one matching is taken.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import njit

from ethopose.track.assignment import assign
from ethopose.track.rigid import FAINTEST, Fit, lay
from ethopose.track.scale import Scale, area, learn_pose, learn_speed, learn_start, learn_step, look

GAP = 5  # frames without its animal that a track outlasts
MISSED = 0.02  # chance that an animal is not seen in a frame
SLOWING = 0.9  # of the velocity that is left a frame after the animal was lost
STARTLED = 0.05  # share of the steps that are far from what was expected
SPUN = 0.05  # share of the turns that are of any angle
FOLLOW = 0.6  # how far a track's pose goes towards the one that is seen
STRANGE = 1.0  # nats a keypoint: a stranger's pose is as unlike as this
FULL = 4.0  # keypoints of a body count as if they were so many independent ones


class Tracks(NamedTuple):
    """Those alive are the first `number` rows."""

    number: np.ndarray
    name: np.ndarray  # (track,) of the tracklet
    gap: np.ndarray  # (track,) frames since it was seen
    hits: np.ndarray  # (track,) how often it was seen
    place: np.ndarray  # (track, 2) px
    velocity: np.ndarray  # (track, 2) px a frame
    variance: np.ndarray  # (track, 3) of place, of both, of velocity
    pose: np.ndarray  # (track, keypoint, 2) about the place
    clock: np.ndarray  # the last frame, and the name of the next tracklet


class Found(NamedTuple):
    """The poses of some frames, each of which has a keypoint, and who they turn out to be."""

    frame: np.ndarray  # (frame,) those in which there is anybody, in order
    start: np.ndarray  # (frame + 1,) where their rows begin
    xy: np.ndarray  # (instance, keypoint, 2) px; NaN is unknown
    confidence: np.ndarray  # (instance, keypoint)
    name: np.ndarray  # (instance,) the tracklet
    place: np.ndarray  # (instance, 2) px, where the body is


class Frame(NamedTuple):
    """The poses of a frame."""

    xy: np.ndarray  # (animal, keypoint, 2)
    confidence: np.ndarray  # (animal, keypoint)
    middle: np.ndarray  # (animal, 2) mean of the keypoints that are there


class Pairs(NamedTuple):
    """Every track with every pose of a frame."""

    cost: np.ndarray  # (track, animal) -log likelihood relative to two strangers, 0 at most
    turned: np.ndarray  # (track, animal) how likely it turned with its body, rather than went on straight
    off: np.ndarray  # (track, animal, 2) px² from where it was expected, going straight and turning
    fit: np.ndarray  # (track, animal, 7) see `Fit`; x and y are where the place comes to lie


class Doubts(NamedTuple):
    """Where another matching was nearly as likely: rows of frame, two tracklets, how much less likely."""

    number: np.ndarray
    row: np.ndarray  # (doubt, 4)
    least: float  # what is less likely by more is no doubt


def no_tracks(capacity: int, keypoints: int) -> Tracks:
    """Nobody was seen yet."""
    return Tracks(
        number=np.zeros(1, np.int64),
        name=np.zeros(capacity, np.int64),
        gap=np.zeros(capacity, np.int64),
        hits=np.zeros(capacity, np.int64),
        place=np.zeros((capacity, 2)),
        velocity=np.zeros((capacity, 2)),
        variance=np.zeros((capacity, 3)),
        pose=np.zeros((capacity, keypoints, 2)),
        clock=np.zeros(2, np.int64),
    )


@njit(cache=True, nogil=True)
def associate(found: Found, first: int, tracks: Tracks, scale: Scale, doubts: Doubts) -> int:
    """Follow animals through the frames of `found`, from the frame of that index on; fills its `name` and
    `place`. Gives the index of the frame where there was no room for more doubts, or that after the last.
    """
    for index in range(first, len(found.frame)):
        animals = slice(found.start[index], found.start[index + 1])
        count, known = animals.stop - animals.start, tracks.number[0]
        if doubts.number[0] + known * (known + count) > len(doubts.row):
            return index
        seen = Frame(found.xy[animals], found.confidence[animals], _middles(found.xy[animals]))
        _step(int(found.frame[index]), seen, tracks, scale, doubts, found.name[animals], found.place[animals])
    return len(found.frame)


@njit(cache=True, nogil=True)
def _step(
    frame: int,
    seen: Frame,
    tracks: Tracks,
    scale: Scale,
    doubts: Doubts,
    name: np.ndarray,
    place: np.ndarray,
) -> None:
    look(scale, seen.xy)
    _age(tracks, scale, frame - tracks.clock[0])
    tracks.clock[0] = frame
    pairs, known = _compare(tracks, scale, seen), tracks.number[0]
    column = assign(pairs.cost) if pairs.cost.size else np.full(known, -1)
    owned = np.zeros(len(name), np.bool_)
    for track in range(known):
        animal = column[track]
        if animal >= 0 and pairs.cost[track, animal] < 0:
            name[animal], owned[animal] = tracks.name[track], True
        else:
            column[track] = -1
    for animal in range(len(name)):
        if not owned[animal]:
            name[animal] = tracks.clock[1]
            tracks.clock[1] += 1
    _doubt(tracks, pairs.cost, column, name, doubts)
    for track in range(known):
        if column[track] >= 0:
            _follow(tracks, scale, seen, pairs, track, column[track])
            place[column[track]] = pairs.fit[track, column[track], 3:5]
    for animal in range(len(name)):
        if not owned[animal]:
            _begin(tracks, scale, seen, animal, name[animal])
            place[animal] = seen.middle[animal]


@njit(cache=True, nogil=True)
def _middles(xy: np.ndarray) -> np.ndarray:
    middle = np.zeros((len(xy), 2))
    for animal, pose in enumerate(xy):
        known = 0
        for x, y in pose:
            if not math.isnan(x):
                middle[animal, 0] += x
                middle[animal, 1] += y
                known += 1
        middle[animal] /= known
    return middle


@njit(cache=True, nogil=True)
def _age(tracks: Tracks, scale: Scale, frames: int) -> None:
    """So many frames later: tracks that were lost for too long end, the others go on."""
    kept = 0
    for track in range(tracks.number[0]):
        if tracks.gap[track] + frames > GAP + 1:
            continue
        _move(tracks, track, kept)
        for _ in range(frames):
            if tracks.gap[kept]:
                tracks.velocity[kept] *= SLOWING
            tracks.gap[kept] += 1
            place, both, velocity = tracks.variance[kept]
            wander = scale.wander[0]
            tracks.variance[kept, 0] = place + 2 * both + velocity + wander / 4
            tracks.variance[kept, 1] = both + velocity + wander / 2
            tracks.variance[kept, 2] = velocity + wander
        kept += 1
    tracks.number[0] = kept


@njit(cache=True, nogil=True)
def _move(tracks: Tracks, source: int, target: int) -> None:
    if source != target:
        tracks.name[target], tracks.gap[target] = tracks.name[source], tracks.gap[source]
        tracks.hits[target], tracks.place[target] = tracks.hits[source], tracks.place[source]
        tracks.velocity[target], tracks.variance[target] = tracks.velocity[source], tracks.variance[source]
        tracks.pose[target] = tracks.pose[source]


@njit(cache=True, nogil=True)
def _compare(tracks: Tracks, scale: Scale, seen: Frame) -> Pairs:
    known, animals = tracks.number[0], len(seen.xy)
    pairs = Pairs(
        np.zeros((known, animals)),
        np.zeros((known, animals)),
        np.zeros((known, animals, 2)),
        np.zeros((known, animals, 7)),
    )
    strangers = math.log(area(scale) / (2 * math.pi)) - math.log(MISSED)
    for track in range(known):
        way = tracks.velocity[track] * tracks.gap[track]
        ahead = tracks.place[track] + way
        far = math.sqrt(tracks.variance[track, 0] + scale.speed[0] * tracks.gap[track])
        reach = 0.7 * math.sqrt(scale.length[0]) + 6 * far + 2 * math.hypot(way[0], way[1])
        for animal in range(animals):
            middle = seen.middle[animal]
            if math.hypot(middle[0] - ahead[0], middle[1] - ahead[1]) > reach:
                continue
            fit = lay(
                tracks.pose[track],
                seen.xy[animal],
                seen.confidence[animal],
                scale.noise[0],
                scale.length[0],
                ahead,
            )
            if not fit.shared:
                fit = Fit(0.0, 1.0, 0.0, middle[0], middle[1], 0.0, FAINTEST**2, scale.noise[0])
            moved = _moved(tracks, scale, track, fit, way, pairs, animal)
            unlike = min(fit.misfit / max(fit.shared, 1), STRANGE) * min(fit.shared, FULL)
            pairs.cost[track, animal] = min(
                moved + _spun(scale, fit, tracks.gap[track]) + unlike - strangers, 0.0
            )
            pairs.fit[track, animal] = (fit.shared, fit.cos, fit.sin, fit.x, fit.y, fit.weight, fit.error)
    return pairs


@njit(cache=True, nogil=True)
def _spread(tracks: Tracks, scale: Scale, track: int, shared: float, weight: float) -> float:
    """Variance of where a body is seen, relative to where it was expected, px²."""
    seen = scale.noise[0] / weight if shared else 0.1 * scale.length[0]
    variance: float = tracks.variance[track, 0] + seen
    return variance


@njit(cache=True, nogil=True)
def _moved(
    tracks: Tracks, scale: Scale, track: int, fit: Fit, way: np.ndarray, pairs: Pairs, animal: int
) -> float:
    """-log likelihood of a step, of going straight on and of turning with the body; both are noted."""
    near = _spread(tracks, scale, track, fit.shared, fit.weight)
    far = 4 * near + 0.02 * scale.length[0] + scale.speed[0] * tracks.gap[track]
    x, y = fit.x - tracks.place[track, 0], fit.y - tracks.place[track, 1]
    straight = (x - way[0]) ** 2 + (y - way[1]) ** 2
    turned = (x - fit.cos * way[0] + fit.sin * way[1]) ** 2 + (y - fit.sin * way[0] - fit.cos * way[1]) ** 2
    likely = (1 - scale.heading[0]) * _likely(straight, near, far)
    likely_turned = scale.heading[0] * _likely(turned, near, far)
    total = likely + likely_turned + 1e-300
    pairs.turned[track, animal] = likely_turned / total
    pairs.off[track, animal] = (straight, turned)
    return -math.log(total)


@njit(cache=True, nogil=True)
def _likely(off: float, near: float, far: float) -> float:
    usual = (1 - STARTLED) * math.exp(-off / 2 / near) / near
    return usual + STARTLED * math.exp(-off / 2 / far) / far


@njit(cache=True, nogil=True)
def _spun(scale: Scale, fit: Fit, gap: int) -> float:
    """-log likelihood of a turn, relative to one of any angle."""
    if fit.shared < 2:
        return 0.0
    variance = scale.turning[0] * gap + 40 * scale.noise[0] / (scale.length[0] * fit.weight)
    angle = math.atan2(fit.sin, fit.cos)
    usual = (1 - SPUN) * math.exp(-angle * angle / 2 / variance) * math.sqrt(2 * math.pi / variance)
    return -math.log(usual + SPUN)


@njit(cache=True, nogil=True)
def _doubt(tracks: Tracks, cost: np.ndarray, column: np.ndarray, name: np.ndarray, doubts: Doubts) -> None:
    """Two tracks that might be exchanged, or a track that might go on as another pose that begins anew."""
    known, animals = cost.shape
    owned = np.zeros(animals, np.bool_)
    for animal in column:
        if animal >= 0:
            owned[animal] = True
    for track in range(known):
        own = column[track]
        if own < 0:
            continue
        for other in range(known):
            theirs = column[other]
            if other == track or (theirs >= 0 and other < track):
                continue
            less = cost[other, own] - cost[track, own]
            if theirs >= 0:
                less += cost[track, theirs] - cost[other, theirs]
            _note(doubts, tracks.clock[0], tracks.name[track], tracks.name[other], less)
        for animal in range(animals):
            if not owned[animal]:
                less = cost[track, animal] - cost[track, own]
                _note(doubts, tracks.clock[0], tracks.name[track], name[animal], less)


@njit(cache=True, nogil=True)
def _note(doubts: Doubts, frame: int, one: int, other: int, less: float) -> None:
    if less < doubts.least and doubts.number[0] < len(doubts.row):
        doubts.row[doubts.number[0]] = (float(frame), float(min(one, other)), float(max(one, other)), less)
        doubts.number[0] += 1


@njit(cache=True, nogil=True)
def _follow(tracks: Tracks, scale: Scale, seen: Frame, pairs: Pairs, track: int, animal: int) -> None:
    """The track goes on as a pose: its place and velocity, its pose, and what is learned of the scale."""
    shared, cos, sin, x, y, weight, error = pairs.fit[track, animal]
    gap, hits = tracks.gap[track], tracks.hits[track]
    variance = _spread(tracks, scale, track, shared, weight)
    way, off = tracks.velocity[track].copy(), pairs.off[track, animal, 0]
    if pairs.turned[track, animal] > 0.5:
        way[0], way[1] = cos * way[0] - sin * way[1], sin * way[0] + cos * way[1]
        off = pairs.off[track, animal, 1]
    before = tracks.place[track].copy()
    ahead = before + way * gap
    place, both, velocity = tracks.variance[track]
    gain, push = place / variance, both / variance
    tracks.variance[track] = (place - gain * place, both - gain * both, max(velocity - push * both, 0.0))
    if off > 16 * variance:  # it did something else: where it is now is all that is known
        gain, push = 1.0, 1.0 / gap
    tracks.place[track, 0] = ahead[0] + gain * (x - ahead[0])
    tracks.place[track, 1] = ahead[1] + gain * (y - ahead[1])
    tracks.velocity[track, 0] = way[0] + push * (x - ahead[0])
    tracks.velocity[track, 1] = way[1] + push * (y - ahead[1])
    if gap == 1:
        if hits >= 3 and shared:
            learn_step(scale, off, variance, pairs.turned[track, animal])
        if hits >= 3 and shared >= 2:
            learn_pose(scale, error, math.atan2(sin, cos))
        learn_speed(scale, (x - before[0]) ** 2 + (y - before[1]) ** 2)
        if hits == 1:
            learn_start(scale, off)
    tracks.gap[track], tracks.hits[track] = 0, hits + 1
    _bend(tracks, scale, seen, pairs.fit[track, animal], track, animal)


@njit(cache=True, nogil=True)
def _bend(tracks: Tracks, scale: Scale, seen: Frame, fit: np.ndarray, track: int, animal: int) -> None:
    """The track's pose turns with the body and goes towards what is seen; keypoints that are far from where
    they were expected, less so. Its place stays the middle of its pose."""
    _, cos, sin, x, y, _, _ = fit
    middle, known = np.zeros(2), 0
    pose = tracks.pose[track]
    for k in range(len(pose)):
        px, py = cos * pose[k, 0] - sin * pose[k, 1], sin * pose[k, 0] + cos * pose[k, 1]
        qx, qy = seen.xy[animal, k, 0] - x, seen.xy[animal, k, 1] - y
        if not math.isnan(qx):
            if math.isnan(px):
                px, py = qx, qy
            sure = min(max(seen.confidence[animal, k], FAINTEST), 1.0)
            off = ((qx - px) ** 2 + (qy - py) ** 2) * sure * sure / (2 * scale.noise[0])
            share = FOLLOW * sure / (1 + off / 16)
            px, py = px + share * (qx - px), py + share * (qy - py)
        pose[k] = (px, py)
        if not math.isnan(px):
            middle[0] += px
            middle[1] += py
            known += 1
    middle /= known
    for k in range(len(pose)):
        pose[k] -= middle
    tracks.place[track] += middle
    fit[3], fit[4] = x + middle[0], y + middle[1]


@njit(cache=True, nogil=True)
def _begin(tracks: Tracks, scale: Scale, seen: Frame, animal: int, name: int) -> None:
    track = tracks.number[0]
    tracks.number[0] += 1
    tracks.name[track], tracks.gap[track], tracks.hits[track] = name, 0, 1
    tracks.place[track], tracks.velocity[track] = seen.middle[animal], 0.0
    tracks.variance[track] = (scale.noise[0], 0.0, scale.start[0])
    for k in range(len(seen.xy[animal])):
        tracks.pose[track, k] = seen.xy[animal, k] - seen.middle[animal]
