"""Numbers that are hard to believe, said aloud."""

from __future__ import annotations

import numpy as np

from ethopose.evaluate.sample import Sample

FEW = 10  # images; fewer say little
TOO_GOOD = 0.05  # px; nobody places points so well


def doubts(sample: Sample, split: str | None) -> tuple[str, ...]:
    """What speaks against taking the numbers as they are, a line each."""
    error = sample.points.error
    known = error[~np.isnan(error)]
    told = []
    if not sample.points.seen.any():
        told.append("nothing was found in any image")
    elif not len(known):
        told.append("nothing that was found is near a label: no error can be told")
    elif np.median(known) < TOO_GOOD:
        told.append(
            f"half of the points err by less than {TOO_GOOD} px, less than people can place them: "
            "are the labels this model's own poses?"
        )
    elif np.median(known) > sample.body:
        told.append(
            f"half of the points err by more than a body length ({sample.body:.0f} px): "
            "is the model trained, and are the labels of these pictures, at this size?"
        )
    if len(sample.seen) < FEW:
        noun = "image" if len(sample.seen) == 1 else "images"
        told.append(f"only {len(sample.seen)} {noun}: the numbers may be chance")
    if split == "train":
        told.append("the model has learnt these images: the numbers tell nothing about new ones")
    return tuple(told)
