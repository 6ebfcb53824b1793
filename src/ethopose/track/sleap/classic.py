"""sleap-nn's classic tracker, `simple` and `flow`: new instances against those of a while ago.

Source: sleap-nn 0.3.5, `sleap-nn track`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int32, Num

from ethopose.core.errors import DataError, UsageError
from ethopose.track.sleap import scores
from ethopose.track.sleap.breaks import Breaks
from ethopose.track.sleap.flow import Flow, Image
from ethopose.track.sleap.memory import NOBODY, FixedWindow, LocalQueues, Memory, Seen
from ethopose.track.sleap.motion import Motion
from ethopose.track.sleap.options import ClassicOptions


@dataclass(frozen=True, slots=True)
class Tracked:
    """A frame's rows after tracking."""

    track: Int32[np.ndarray, "instance"]  # counted from 0; -1: none
    score: Float32[np.ndarray, "instance"]  # likeness with the track, 1 where it begins; NaN: not told
    kept: Bool[np.ndarray, "instance"]  # False: sleap-nn takes the row out of its result


@dataclass(slots=True)
class _Frame:
    """A frame on its way through the tracker."""

    number: int
    xy: Float64[np.ndarray, "instance keypoint 2"]
    support: Num[np.ndarray, "instance"]
    image: Image | None
    track: Int32[np.ndarray, "instance"]
    score: Float32[np.ndarray, "instance"]
    order: list[int] = field(default_factory=list)  # of the rows, as sleap-nn writes them


class ClassicTracker:
    """Follows animals through one video, called with its frames in order, also with those of nobody.

    Raises `UsageError` where the options do not suit the skeleton or images are missing, `DataError` for
    frames out of order.
    """

    def __init__(self, options: ClassicOptions | None = None) -> None:
        self.options = options = options or ClassicOptions()
        length = options.tracking_window_size
        queues, window = LocalQueues(length, options.max_tracks), FixedWindow(length)
        self._memory: Memory = queues if options.local_queues else window
        self._candidates: Callable[[Memory, int, Image | None], list[Seen]] = _as_seen
        if options.use_flow:
            self._candidates = Flow(options).candidates
        elif options.use_kalman:
            self._candidates = Motion(options).candidates
        joins = options.post_connect_single_breaks or options.tracking_clean_instance_count > 0
        self._breaks = Breaks() if joins else None
        self._last = -1

    def __call__(
        self,
        frame: int,
        xy: Num[np.ndarray, "instance keypoint 2"],
        confidence: Num[np.ndarray, "instance keypoint"],
        score: Num[np.ndarray, "instance"],
        image: Image | None = None,
    ) -> Tracked:
        """The tracks of a frame's poses (px; NaN: not found).

        Flow alone looks at `image`, in one channel where the video is grey (`Video.gray`); nothing at
        `confidence`.
        """
        self._check(frame, xy, image)
        self._last = frame
        options, kept = self.options, np.ones(len(xy), bool)
        xy, score = xy.astype(np.float64), score.astype(np.float64)
        wanted = options.tracking_target_instance_count
        if wanted and options.tracking_pre_cull_to_target:
            kept = ~scores.superfluous(xy, score, wanted, options.tracking_pre_cull_iou_threshold)
        rows = np.flatnonzero(kept)
        now = _new_frame(frame, xy[rows], image)
        self._follow(now)
        kept[rows] = np.isin(np.arange(len(rows)), now.order)
        track, likeness = np.full(len(xy), NOBODY, np.int32), np.full(len(xy), np.nan, np.float32)
        track[rows], likeness[rows] = now.track, now.score
        order = rows[now.order]
        if wanted := options.tracking_clean_instance_count:
            out = scores.superfluous(xy[order], score[order], wanted, options.tracking_clean_iou_threshold)
            kept[order[out]] = False
            order = order[~out]
        if self._breaks:
            track[order] = self._breaks(track[order].tolist())
        track[~kept], likeness[~kept] = NOBODY, np.nan
        return Tracked(track, likeness, kept)

    def _check(self, frame: int, xy: np.ndarray, image: np.ndarray | None) -> None:
        if frame <= self._last:
            raise DataError(f"frame {frame} comes after {self._last}", fix="track frames in order, once")
        if self.options.use_flow and image is None:
            raise UsageError("use_flow needs the images of the video", where=f"frame {frame}")
        self.options.chosen(xy.shape[1])
        named = self.options.kf_node_indices or ()
        if any(index >= xy.shape[1] for index in named):
            raise UsageError(f"kf_node_indices is {named}", fix=f"the skeleton has {xy.shape[1]} keypoints")

    def _follow(self, now: _Frame) -> None:
        """Tracks for all that can have one; the order of the rows that are left in."""
        memory, options = self._memory, self.options
        first, begun = memory.empty, False
        pairs = [] if first else self._pairs(now)
        taken = {row for row, _ in pairs}
        now.order = [row for row, _ in pairs]
        if len(taken) < len(now.xy):
            for row in np.flatnonzero(now.track == NOBODY).tolist():
                enough = now.support[row] > options.min_new_track_points
                if enough and memory.room > 0:
                    now.track[row], now.score[row], begun = memory.begin(), 1.0, True
                if now.track[row] != NOBODY or (first and not enough):
                    now.order.append(row)  # a first frame's rows without track are left in local queues
        if not options.local_queues:
            now.order = np.flatnonzero(now.track != NOBODY).tolist()
        image = now.image if options.use_flow else None
        rows = zip(now.track.tolist(), now.xy, now.support.tolist(), strict=True)
        memory.keep([Seen(track, now.number, xy, image, support) for track, xy, support in rows], begun)

    def _pairs(self, now: _Frame) -> list[tuple[int, int]]:
        """The rows that go on with a track; their tracks and scores are written down."""
        tracks = self._memory.tracks
        likeness = self._likeness(now, tracks)
        cost = np.where(np.isnan(likeness), np.inf, -likeness)
        pairs = scores.matched(cost, self.options.track_matching_method)
        pairs = self._possible(pairs, cost, now)
        for row, column in pairs:
            possible = np.isfinite(cost[row, column])
            now.track[row], now.score[row] = tracks[column], likeness[row, column] if possible else np.nan
        return pairs

    def _likeness(self, now: _Frame, tracks: list[int]) -> Float64[np.ndarray, "instance track"]:
        """Of the frame's instances with the candidates of each track; NaN: none, or it cannot be told."""
        seen = self._candidates(self._memory, now.number, now.image)
        xy = np.array([one.xy for one in seen]).reshape(len(seen), *now.xy.shape[1:])
        able = np.array([one.support > self.options.min_match_points for one in seen], bool)
        track = np.array([one.track for one in seen], int)
        kind, scoring = self.options.chosen(now.xy.shape[1])
        new, old = scores.features(now.xy, kind), scores.features(xy, kind)
        each = scores.scores(new, old, scoring, self.options.stddev)
        columns = [np.flatnonzero(able & (track == name)) for name in tracks]
        nothing = np.full(len(new), np.nan)
        reduced = [
            scores.reduced(each[:, column], self.options) if len(column) else nothing for column in columns
        ]
        return np.stack(reduced, axis=1) if reduced else np.empty((len(new), 0))

    def _possible(
        self, pairs: list[tuple[int, int]], cost: Float64[np.ndarray, "instance track"], now: _Frame
    ) -> list[tuple[int, int]]:
        """Without the pairs of infinite cost, as far as their instances can begin tracks of their own."""
        able = now.support > self.options.min_new_track_points
        paired = [row for row, _ in pairs]
        room = self._memory.room - np.delete(able, paired).sum()  # these begin tracks before
        left = []
        for row, column in pairs:
            if np.isfinite(cost[row, column]):
                left.append((row, column))
            elif able[row] and room > 0:
                room -= 1
            else:
                left.append((row, column))
        return left


def _as_seen(memory: Memory, frame: int, image: Image | None) -> list[Seen]:
    """Without motion the candidates are where they were."""
    return memory.candidates()


def _new_frame(number: int, xy: np.ndarray, image: np.ndarray | None) -> _Frame:
    track, score = np.full(len(xy), NOBODY, np.int32), np.full(len(xy), np.nan, np.float32)
    return _Frame(number, xy, scores.support(xy), image, track, score)
