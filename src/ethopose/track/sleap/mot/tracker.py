"""sleap-nn's SORT family on the poses of a whole video: measure, follow, link.

Source: sleap-nn 0.3.5, `sleap-nn predict --tracker sort|bytetrack|ocsort`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Int32, Int64, Num

from ethopose.track.sleap.mot.boxes import replayed
from ethopose.track.sleap.mot.found import Found, found, measured
from ethopose.track.sleap.mot.linking import linked
from ethopose.track.sleap.mot.matching import MATCHING, direction
from ethopose.track.sleap.mot.measures import Measures, frames_looked_at, measures
from ethopose.track.sleap.mot.options import MotOptions
from ethopose.track.sleap.mot.tracks import Expectation, Stage, Track


@dataclass(frozen=True, slots=True)
class MotTracks:
    """The rows of a video after tracking; none is taken out."""

    track: Int32[np.ndarray, "instance"]  # counted from 0; -1: none
    score: Float32[np.ndarray, "instance"]  # likeness with the track, 1 where it begins; NaN: no track


def track_video(
    options: MotOptions,
    frame: Int64[np.ndarray, "instance"],
    xy: Num[np.ndarray, "instance keypoint 2"],
    confidence: Num[np.ndarray, "instance keypoint"],
    score: Num[np.ndarray, "instance"],
    looked: Int64[np.ndarray, "looked"] | None = None,
) -> MotTracks:
    """The tracks of a video's poses (px; NaN: not found), sorted by frame.

    `looked` are the frames that were predicted, also where nobody was found; None: those with instances.
    Raises `DataError` for frames out of order.
    """
    some = found(frame, xy, confidence, score, options)
    looked = frames_looked_at(frame, looked)
    known = measures(some, looked, options)
    some = measured(some, known.body, known.best_score if options.normalize_scores else None)
    follower = _Follower(options, some, known)
    bounds = np.searchsorted(frame, np.append(looked, np.iinfo(np.int64).max))
    for step, start, stop in zip(known.steps(looked).tolist(), bounds, bounds[1:], strict=False):
        follower.follow(step, int(start), int(stop))
    track = linked(some, follower.track, looked, known, options) if options.links else follower.track
    return MotTracks(track, np.where(track < 0, np.float32(np.nan), follower.score))


class _Follower:
    """The tracks of a video while it is gone through."""

    def __init__(self, options: MotOptions, some: Found, known: Measures) -> None:
        self.options, self.some = options, some
        self.expected = Expectation(options, some.xy.shape[1], known.body)
        self.track = np.full(len(some), -1, np.int32)
        self.score = np.full(len(some), np.nan, np.float32)
        self._tracks: list[Track] = []
        self._confirmed, self._step = 0, 0
        self._fragile = options.tracker == "bytetrack"  # a miss ends what is not confirmed
        self._centric = options.tracker == "ocsort"  # states follow the boxes seen after a gap

    def follow(self, step: int, start: int, stop: int) -> None:
        """The next frame that was looked at: its step and its rows."""
        if step:
            self._advance(step - self._step)
        self._step = step
        now, pool = self.some[start:stop], list(self._tracks)
        decision = MATCHING[self.options.tracker](pool, now, self.expected, step)
        seen = set()
        for track, row, fit in decision.pairs:
            self._hit(track, now, row, start + row, fit)
            seen.add(id(track))
        removed = {id(track) for track in decision.removed}
        for track in pool:
            if id(track) not in seen | removed:
                self._miss(track)
        self._tracks = [track for track in self._tracks if id(track) not in removed]
        free = decision.able & now.valid & (now.score >= self.options.new_track_threshold)
        free[[row for _, row, _ in decision.pairs]] = False
        self._tracks += [self._born(now, row, start + row) for row in np.flatnonzero(free).tolist()]
        for track in self._tracks:
            self._confirm(track)
        self._tracks = [track for track in self._tracks if track.idle <= self.options.track_buffer]

    def _advance(self, steps: int) -> None:
        """Forecast all tracks; the steps that were not looked at are misses."""
        buffer, first = self.options.track_buffer, self._step + 1
        self._tracks = [
            track
            for track in self._tracks
            if track.idle + steps - 1 <= buffer
            and not (steps > 1 and self._fragile and track.stage is Stage.TENTATIVE)
        ]
        kind = self.expected.filter
        for track in self._tracks:
            idle = track.idle
            for index in range(steps):
                if self._fragile and idle + index > 0:
                    track.mean[kind.growth] = 0
                track.mean, track.covariance = kind.predicted(track.mean, track.covariance)
                if index == 0 and steps > 1 and idle == 0:
                    self._freeze(track, first)
            track.idle += steps
            if track.idle > 1:
                track.streak = 0
            if steps > 1 and track.stage is Stage.CONFIRMED:
                track.stage = Stage.LOST

    def _freeze(self, track: Track, step: int) -> None:
        """Keep the state of the first miss, for when the track is found again."""
        if self._centric and track.frozen is None and track.last_seen is not None:
            track.frozen = (track.mean.copy(), track.covariance.copy(), step)

    def _hit(self, track: Track, now: Found, row: int, place: int, fit: float) -> None:
        """A track goes on."""
        box, kind = now.box[row], self.expected.filter
        if track.frozen and track.last_seen is not None:
            mean, covariance, when = track.frozen
            lost = (mean, covariance, when - track.step)
            gap = self._step - track.step
            track.mean, track.covariance = replayed(kind, lost, track.last_seen, box, gap)
        track.frozen = None
        track.mean, track.covariance = kind.corrected(track.mean, track.covariance, box)
        track.hits, track.streak, track.idle = track.hits + 1, track.streak + 1, 0
        track.step, track.frame = self._step, int(now.frame[row])
        track.box, track.extent, track.xy = box, now.extent[row], now.xy[row]
        track.centre = track.mean[:2].copy()
        if track.stage is Stage.LOST:
            track.stage = Stage.CONFIRMED
        if self._centric:
            before = track.seen_before(self._step, self.options.delta_t)
            if before is not None:
                track.direction = direction(before, box)
            track.seen[self._step] = box
            while len(track.seen) > 2 * self.options.delta_t + 1:
                del track.seen[min(track.seen)]
        track.last_seen = box
        track.rows.append((place, min(max(fit, 0.0), 1.0)))

    def _miss(self, track: Track) -> None:
        """A track was not found."""
        if track.idle > 0:
            self._freeze(track, self._step)
        if track.stage is Stage.CONFIRMED:
            track.stage = Stage.LOST
        elif track.stage is Stage.TENTATIVE and self._fragile:
            self._tracks.remove(track)

    def _born(self, now: Found, row: int, place: int) -> Track:
        box = now.box[row]
        mean, covariance = self.expected.filter.first(box)
        hits = 1 if self._fragile else 0
        return Track(
            mean,
            covariance,
            born=int(now.frame[row]),
            frame=int(now.frame[row]),
            step=self._step,
            box=box,
            extent=now.extent[row],
            xy=now.xy[row],
            centre=mean[:2].copy(),
            hits=hits,
            streak=hits,
            rows=[(place, 1.0)],
        )

    def _confirm(self, track: Track) -> None:
        """A number for a track that is sure enough, for all its rows so far."""
        if track.stage is Stage.TENTATIVE and track.idle == 0:
            count = track.hits if self._fragile else track.streak
            if count >= self.options.min_hits:
                track.stage, track.number = Stage.CONFIRMED, self._confirmed
                self._confirmed += 1
        if track.stage is Stage.CONFIRMED:
            for place, fit in track.rows:
                self.track[place], self.score[place] = track.number, fit
            track.rows.clear()
