"""Groupings in which every peak is told its animal by where it comes from."""

from __future__ import annotations

import numpy as np

from ethopose.models.grouping.instances import Arrays, Context, Instances, make_instances, strongest


class OneEach:
    """One animal a picture: its keypoints are the maxima of its maps.

    A maximum below the threshold is no keypoint: NaN with confidence 0. The score of an animal is
    the sum of its confidences, or that of the centroid its picture was cut around (sleap-nn 0.3.5).
    """

    reads: tuple[str, ...] = ("xy", "value")

    def __call__(self, found: Arrays, context: Context) -> Instances:
        """The animals of a batch."""
        xy, confidence = single_peaks(found, context.threshold)
        score = confidence.sum(1) if context.score is None else context.score
        return make_instances(context, np.arange(len(xy)), xy, confidence, score)


class OnePerPeak:
    """Every peak is an animal of one keypoint: centroids."""

    reads: tuple[str, ...] = ("xy", "value")

    def __call__(self, found: Arrays, context: Context) -> Instances:
        """The animals of a batch."""
        value = found["value"][:, 0]
        kept = []
        for picture, values in enumerate(value):
            peak = np.flatnonzero(values > context.threshold)
            peak = peak[strongest(values[peak], context.limit)]
            kept.append(np.stack((np.full_like(peak, picture), peak)))
        picture, peak = np.concatenate(kept, axis=1)
        score = value[picture, peak]
        return make_instances(context, picture, found["xy"][picture, :1, peak], score[:, None], score)


def single_peaks(found: Arrays, threshold: float) -> tuple[np.ndarray, np.ndarray]:
    """xy and confidence of the highest peak of each map, with those below the threshold blanked."""
    highest = np.nan_to_num(found["value"], nan=-np.inf).argmax(-1)[..., None]
    value = np.take_along_axis(found["value"], highest, -1)[..., 0]
    low = value < threshold
    place = np.take_along_axis(found["xy"], highest[..., None], 2)[:, :, 0]
    return np.where(low[..., None], np.nan, place), np.where(low, 0.0, value)
