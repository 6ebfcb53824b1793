"""Tracks that are one animal become one: over gaps, and for a known number of animals (sleap-nn 0.3.5)."""

from __future__ import annotations

import numpy as np
from jaxtyping import Int32, Int64, Num

from ethopose.track.sleap.mot.closing import close
from ethopose.track.sleap.mot.found import Found, found, measured
from ethopose.track.sleap.mot.gaps import link_gaps
from ethopose.track.sleap.mot.identities import Identities
from ethopose.track.sleap.mot.measures import Measures, frames_looked_at, measures
from ethopose.track.sleap.mot.options import MotOptions


def link_tracks(
    frame: Int64[np.ndarray, "instance"],
    xy: Num[np.ndarray, "instance keypoint 2"],
    confidence: Num[np.ndarray, "instance keypoint"],
    score: Num[np.ndarray, "instance"],
    track: Int32[np.ndarray, "instance"],
    max_tracks: int | None = None,
    looked: Int64[np.ndarray, "looked"] | None = None,
) -> Int32[np.ndarray, "instance"]:
    """The tracks of any tracker linked, as `--link_tracklets` does after the classic one; -1: none.

    Given are the rows that the tracker left in, as to `track_video`; poses of no keypoint get no track.
    """
    options = MotOptions("sort", link_tracklets=True, max_tracks=max_tracks)
    some, looked = found(frame, xy, confidence, score, options), frames_looked_at(frame, looked)
    known = measures(some, looked, options)
    return linked(measured(some, known.body, None), track, looked, known, options)


def linked(
    some: Found,
    track: Int32[np.ndarray, "instance"],
    looked: Int64[np.ndarray, "looked"],
    known: Measures,
    options: MotOptions,
) -> Int32[np.ndarray, "instance"]:
    """The tracks of a video that is measured, numbered in order of appearance."""
    new = np.full_like(track, -1)
    if not ((track >= 0) & some.valid).any():
        return new
    identities = Identities(some, track, looked, known, options)
    link_gaps(identities, options.track_buffer)
    if options.max_tracks:
        close(identities, options.max_tracks, options.track_buffer)
    left = identities.label >= 0
    _, first, number = np.unique(identities.label[left], return_index=True, return_inverse=True)
    new[identities.row[left]] = np.argsort(np.argsort(first))[number]
    return new
