"""A model on labelled images."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import replace

import numpy as np
from jaxtyping import Int64, UInt8

from ethopose.core import Image, Poses, join_poses
from ethopose.evaluate.found import Found
from ethopose.families import Model
from ethopose.media import Block, read_pictures
from ethopose.predict import Options, Profile
from ethopose.predict.options import BATCH_SIZE
from ethopose.predict.pipeline import in_order, read_ahead
from ethopose.predict.predictor import Predictor
from ethopose.runtime import resolve

SIZES_AT_ONCE = 4  # sizes of picture that wait for company: as many as `Predictor` keeps compiled

Progress = Callable[[int, int], None]  # (images done, images in all)


def found_by_model(
    model: Model,
    images: Sequence[Image],
    wanted: Int64[np.ndarray, "image"],
    options: Options,
    progress: Progress,
) -> Found:
    """The animals that a model finds in the images wanted; those that cannot be read are told apart.

    Raises:
        UsageError: the device is not there. InferenceError: the network could not be run.
    """
    compute = resolve(options.compute)
    predictor = Predictor(model, compute, threshold=options.peak_threshold, limit=options.max_instances)
    batch = options.batch_size or BATCH_SIZE[str(compute.runtime)]
    blocks = read_ahead(_blocks(images, wanted, batch))
    founds = in_order(lambda block: predictor(block, batch, Profile()), blocks, predictor.parallel)
    by_image: dict[int, Poses] = {}
    left_out = 0
    progress(0, len(wanted))
    with closing(blocks), closing(founds):
        for found in founds:
            by_image |= {int(image): found.poses[found.poses.frame == image] for image in found.frame}
            left_out += int(found.left_out.sum())
            progress(len(by_image), len(wanted))
    seen = np.array(sorted(by_image), np.int64)
    poses = join_poses([by_image[image] for image in sorted(by_image)], model.spec.skeleton)
    note = f"{left_out} images have more peaks than are kept; the weakest were left out"
    return Found(
        replace(poses, xy=poses.xy - np.float32(model.spec.pixel_origin)),
        seen,
        np.setdiff1d(wanted, seen),
        (note,) if left_out else (),
    )


def _blocks(images: Sequence[Image], wanted: Int64[np.ndarray, "image"], batch: int) -> Iterator[Block]:
    """Images of one size together, a batch at most; `frame` is the image."""
    waiting: dict[tuple[int, ...], list[tuple[int, np.ndarray]]] = {}
    for index, picture in zip(wanted, read_pictures([images[i] for i in wanted]), strict=True):
        if picture is None:
            continue
        pixels = _as_filmed(picture)
        if pixels.shape not in waiting and len(waiting) == SIZES_AT_ONCE:
            yield _block(waiting.pop(next(iter(waiting))))
        company = waiting.setdefault(pixels.shape, [])
        company.append((int(index), pixels))
        if len(company) == batch:
            yield _block(waiting.pop(pixels.shape))
    for company in waiting.values():
        yield _block(company)


def _as_filmed(picture: UInt8[np.ndarray, "height width 3"]) -> UInt8[np.ndarray, "height width channel"]:
    """One channel where the picture is gray, as videos are read."""
    return picture[..., :1] if np.array_equal(picture[..., 0], picture[..., 2]) else picture


def _block(company: list[tuple[int, np.ndarray]]) -> Block:
    indices, pixels = zip(*company, strict=True)
    return Block(np.array(indices, np.int64), np.stack(pixels), np.zeros(len(indices), np.uint8))
