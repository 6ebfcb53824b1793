"""Groupings in which the model names the individual."""

from __future__ import annotations

import warnings

import numpy as np

from ethopose.core.assignment import assignment
from ethopose.models.grouping.instances import Arrays, Context, Instances, make_instances, strongest
from ethopose.models.grouping.simple import single_peaks


class ByClassMap:
    """Each keypoint's peaks go to the individuals by the class maps; row k of a frame is individual k.

    Hungarian a keypoint; a peak stays only if its individual is also its own most probable one.
    Scores are the means of what an individual's peaks have (sleap-nn 0.3.5).
    """

    reads: tuple[str, ...] = ("xy", "value", "probability")

    def __call__(self, found: Arrays, context: Context) -> Instances:
        """The animals of a batch."""
        xy, value, probability = found["xy"], found["value"], found["probability"]
        batch, keypoints, _, classes = probability.shape
        place = np.full((batch, classes, keypoints, 2), np.nan, np.float32)
        confidence, certainty = np.full((2, batch, classes, keypoints), np.nan, np.float32)
        for picture, keypoint in np.ndindex(batch, keypoints):
            peak = np.flatnonzero(value[picture, keypoint] > context.threshold)
            likely = probability[picture, keypoint, peak]
            row, individual = _assigned(likely)
            sure = likely[row, individual] == likely[row].max(-1, initial=-1)
            row, individual = row[sure], individual[sure]
            place[picture, individual, keypoint] = xy[picture, keypoint, peak[row]]
            confidence[picture, individual, keypoint] = value[picture, keypoint, peak[row]]
            certainty[picture, individual, keypoint] = likely[row, individual]
        score, sureness = _mean(confidence), _mean(certainty)
        picture, individual = np.nonzero(_kept(score, context.limit))
        identity = individual, sureness[picture, individual]
        rows = picture, individual
        return make_instances(context, picture, place[rows], confidence[rows], score[rows], identity)


class ByClassVector:
    """One animal a crop; the crops of a frame share out the individuals by Hungarian.

    Crops beyond the number of individuals get none (sleap-nn 0.3.5).
    """

    reads: tuple[str, ...] = ("xy", "value", "probability")

    def __call__(self, found: Arrays, context: Context) -> Instances:
        """The animals of a batch of crops. Crops of one frame must be in one batch."""
        xy, confidence = single_peaks(found, context.threshold)
        individual, certainty = np.full(len(xy), -1), np.full(len(xy), np.nan)
        for frame in np.unique(context.frame):
            crop = np.flatnonzero(context.frame == frame)
            row, column = _assigned(found["probability"][crop])
            individual[crop[row]] = column
            certainty[crop[row]] = found["probability"][crop[row], column]
        score = confidence.sum(1) if context.score is None else context.score
        return make_instances(context, np.arange(len(xy)), xy, confidence, score, (individual, certainty))


def _assigned(probability: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows and columns by Hungarian on the probabilities; what is none of them gets nothing."""
    row, column = assignment(-np.where(np.isfinite(probability), probability, -1))
    known = np.isfinite(probability[row, column])
    return row[known], column[known]


def _kept(score: np.ndarray, limit: int | None) -> np.ndarray:
    """Which of (batch, class) are there and among the `limit` best of their picture."""
    there: np.ndarray = ~np.isnan(score)
    for row, scores in zip(there, score, strict=True):
        present = np.flatnonzero(row)
        row[:] = False
        row[present[strongest(scores[present], limit)]] = True
    return there


def _mean(values: np.ndarray) -> np.ndarray:
    """The mean over keypoints of those there are."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # an individual without a keypoint: NaN
        mean: np.ndarray = np.nanmean(values, axis=-1)
        return mean
