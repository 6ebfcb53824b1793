"""Tracklets cut where another matching was nearly as likely, and what is known of each piece."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Float32, Float64, Int64
from numba import njit

from ethopose.track.motion import STEPS

CUT = 3.5  # nats by which another matching is less likely, at most
MOST = 2**40  # frames of a video
APART = 10  # frames between two doubts of the same tracklets that are no longer one episode
POSES = 3  # that an end's pose is made of: the outermost place of each keypoint


@dataclass(frozen=True, slots=True)
class Cuts:
    """Where tracklets are cut: `name` ends before `frame` and goes on as another piece. Sorted by both."""

    name: Int64[np.ndarray, "cut"]
    frame: Int64[np.ndarray, "cut"]

    def piece(
        self, name: Int64[np.ndarray, "instance"], frame: Int64[np.ndarray, "instance"]
    ) -> Int64[np.ndarray, "instance"]:
        """Which piece each row of a tracklet is; -1 stays -1."""
        before = np.searchsorted(_key(self.name, self.frame), _key(name, frame), side="right")
        return np.where(name < 0, -1, name + before)

    def more(self, piece: Int64[np.ndarray, "cut"], frame: Int64[np.ndarray, "cut"]) -> Cuts:
        """With cuts of pieces besides."""
        begun = self.name + np.arange(len(self.name)) + 1  # the piece that begins at each cut
        name = piece - np.searchsorted(begun, piece, side="right")
        both = np.stack([np.append(self.name, name), np.append(self.frame, frame)], 1)
        both = np.unique(both, axis=0)
        return Cuts(both[:, 0], both[:, 1])


def doubtful(doubt: Float64[np.ndarray, "doubt 4"]) -> Float64[np.ndarray, "doubt 4"]:
    """Those of `Tracklets` for which pieces are cut."""
    return doubt[doubt[:, 3] < CUT]


def cuts_of(doubts: Iterable[Float64[np.ndarray, "doubt 4"]]) -> Cuts:
    """The most doubtful moment of each episode of two tracklets; `doubts` are `doubtful` ones."""
    doubt = np.concatenate([np.empty((0, 4)), *doubts])
    doubt = doubt[np.lexsort((doubt[:, 0], doubt[:, 2], doubt[:, 1]))]
    same = (np.diff(doubt[:, 1:3], axis=0) == 0).all(1) & (np.diff(doubt[:, 0]) <= APART)
    episode = np.concatenate([[0], np.cumsum(~same)])[: len(doubt)]
    worst = np.lexsort((doubt[:, 3], episode))
    first = np.diff(episode[worst], prepend=-1) > 0
    chosen = doubt[worst[first]].astype(np.int64)
    both = np.concatenate([chosen[:, [1, 0]], chosen[:, [2, 0]]])
    both = np.unique(both, axis=0)
    return Cuts(both[:, 0], both[:, 1])


def _key(name: np.ndarray, frame: np.ndarray) -> Int64[np.ndarray, "row"]:
    key: np.ndarray = name * MOST + frame
    return key


class Pieces(NamedTuple):
    """What is known of pieces of tracklets, in the order in which they begin.

    The rows at each end, the outermost first, lie in rings: `place` and `time` of `STEPS` of them, poses
    about the place of `POSES`.
    """

    first: np.ndarray  # (piece,) frame
    last: np.ndarray
    rows: np.ndarray  # (piece,) how many
    worth: np.ndarray  # sum over rows of how much of an animal they look, -1 to 1 each
    head_time: np.ndarray  # (piece, step)
    tail_time: np.ndarray
    head: np.ndarray  # (piece, step, 2) px
    tail: np.ndarray
    head_pose: np.ndarray  # (piece, keypoint, 2) px about the place; NaN is unknown
    tail_pose: np.ndarray  # (piece, pose, keypoint, 2)


def no_pieces(number: int, keypoints: int) -> Pieces:
    """Of so many pieces nothing is known."""
    return Pieces(
        first=np.zeros(number, np.int64),
        last=np.zeros(number, np.int64),
        rows=np.zeros(number, np.int64),
        worth=np.zeros(number),
        head_time=np.zeros((number, STEPS), np.int64),
        tail_time=np.zeros((number, STEPS), np.int64),
        head=np.zeros((number, STEPS, 2), np.float32),
        tail=np.zeros((number, STEPS, 2), np.float32),
        head_pose=np.full((number, keypoints, 2), np.nan, np.float32),
        tail_pose=np.full((number, POSES, keypoints, 2), np.nan, np.float32),
    )


@njit(cache=True, nogil=True)
def gather(
    pieces: Pieces, piece: np.ndarray, frame: np.ndarray, place: np.ndarray, xy: np.ndarray, worth: np.ndarray
) -> None:
    """Enter rows, in order of their frames; those of piece -1 are passed over."""
    for row, mine in enumerate(piece):
        if mine < 0:
            continue
        count = pieces.rows[mine]
        if count == 0:
            pieces.first[mine] = frame[row]
        if count < STEPS:
            pieces.head[mine, count], pieces.head_time[mine, count] = place[row], frame[row]
        pieces.tail[mine, count % STEPS], pieces.tail_time[mine, count % STEPS] = place[row], frame[row]
        pose = pieces.tail_pose[mine, count % POSES]
        for k in range(len(pose)):
            pose[k, 0], pose[k, 1] = xy[row, k, 0] - place[row, 0], xy[row, k, 1] - place[row, 1]
            if count < POSES and np.isnan(pieces.head_pose[mine, k, 0]):
                pieces.head_pose[mine, k] = pose[k]
        pieces.last[mine] = frame[row]
        pieces.worth[mine] += worth[row]
        pieces.rows[mine] = count + 1


class Ends(NamedTuple):
    """The two ends of each piece: where it begins and how, and where it ends and how."""

    first: np.ndarray  # (piece,) frame, sorted
    last: np.ndarray
    place: np.ndarray  # (piece, end, 2) px
    velocity: np.ndarray  # (piece, end, 2) px a frame; NaN where it was seen once
    pose: np.ndarray  # (piece, end, keypoint, 2) px about the place
    worth: np.ndarray  # (piece,)
    rows: np.ndarray  # (piece,)


def ends_of(pieces: Pieces) -> tuple[Ends, Int64[np.ndarray, "end"]]:
    """The ends of the pieces that have rows, in the order in which they begin (and end, and lie, however they
    are counted), and which pieces these are."""
    there = np.flatnonzero(pieces.rows)
    there = there[np.lexsort((pieces.head[there, 0, 0], pieces.last[there], pieces.first[there]))]
    own = Pieces(*(array[there] for array in pieces))
    rows = np.arange(len(there))
    newest = own.rows - 1
    places = np.stack([own.head[:, 0], own.tail[rows, newest % STEPS]], 1)
    used = np.arange(STEPS) < own.rows[:, None]
    velocity = np.stack([_slope(own.head_time, own.head, used), _slope(own.tail_time, own.tail, used)], 1)
    tail = np.full_like(own.head_pose, np.nan)
    for back in range(POSES):
        pose = own.tail_pose[rows, (newest - back) % POSES]
        tail = np.where(np.isnan(tail), pose, tail)
    poses = np.stack([own.head_pose, tail], 1)
    return Ends(own.first, own.last, places, velocity, poses, own.worth, own.rows), there


def _slope(
    time: Int64[np.ndarray, "piece step"],
    place: Float32[np.ndarray, "piece step 2"],
    used: np.ndarray,
) -> Float64[np.ndarray, "piece 2"]:
    """The velocity of least squares."""
    count = used.sum(1, keepdims=True)
    late = np.where(used, time - (time * used).sum(1, keepdims=True) / count, 0.0)
    squares = (late**2).sum(1)
    way = (late[..., None] * place).sum(1)
    slope: np.ndarray = np.where(squares[:, None] > 0, way / np.maximum(squares, 1e-9)[:, None], np.nan)
    return slope
