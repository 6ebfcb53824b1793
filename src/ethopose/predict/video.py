"""One video through one model: read, compute, store, part after part."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from pydantic import JsonValue

from ethopose.core import join_poses
from ethopose.formats import Format
from ethopose.media import Block, Video
from ethopose.predict import provenance
from ethopose.predict.exports import export, refuse_foreign
from ethopose.predict.names import exported_path
from ethopose.predict.pipeline import Behind, in_order, read_ahead
from ethopose.predict.predictor import BlockPoses, Predictor
from ethopose.predict.profile import Profile
from ethopose.predict.selection import Runs, select
from ethopose.store import FrameTable, Manifest, ModelRecord, Result, Writer, read, start

log = logging.getLogger(__name__)

PART_FRAMES = 1024
PARALLEL = 2  # batches under way: while one is in the network another is prepared, decoded or grouped

Progress = Callable[[int, int], None]  # (frames done, frames in all)


@dataclass(frozen=True, slots=True)
class Job:
    """What to make of one video."""

    video: Video
    path: Path  # of the result
    batch: int
    runs: Runs | None = None
    formats: list[Format] = field(default_factory=list)
    overwrite: bool = False


def predict_video(
    job: Job, predictor: Predictor, progress: Progress, profile: Profile
) -> tuple[Result, tuple[Path, ...]]:
    """A video's result, begun or continued, and the files beside it; what is finished is given as it is.

    Raises:
        ResultError: the place holds another result or file.
        VideoError, InferenceError: what was done until then is stored.
    """
    manifest = _manifest(job, predictor)
    files = {exported_path(job.path, form): form for form in job.formats}
    if not job.overwrite:
        refuse_foreign(job.path, files)
    writer = start(job.path, manifest, overwrite=job.overwrite)
    log.info("%s: %d of %d frames are there", job.path, writer.done, writer.manifest.n_frames)
    if not writer.finished:
        began = time.perf_counter()
        _write_parts(job, predictor, writer, progress, profile)
        writer.finish(provenance.at_end(time.perf_counter() - began))
    result = read(job.path)
    export(result, files)
    log.info("%s: finished, %d animals in %d frames", job.path, len(result), len(result.frames))
    return result, tuple(files)


def _write_parts(
    job: Job, predictor: Predictor, writer: Writer, progress: Progress, profile: Profile
) -> None:
    done, total = writer.done, writer.manifest.n_frames
    progress(done, total)
    frames = writer.manifest.selected(done, total)
    blocks = read_ahead(_timed(job.video.blocks(frames, job.batch, gray=job.video.gray), profile))
    founds = in_order(lambda block: predictor(block, job.batch, profile), blocks, PARALLEL)
    left_out = 0
    waiting: list[BlockPoses] = []
    with Behind() as behind, closing(blocks), closing(founds):
        for found in founds:
            waiting.append(found)
            profile.count(len(found.frame))
            done += len(found.frame)
            left_out += int(found.left_out.sum())
            progress(done, total)
            if done == total or done % writer.manifest.part_frames == 0:
                behind.do(_storing(writer, waiting, job.video, profile))
                waiting = []
    if left_out:
        log.warning(
            "%s: %d frames have more peaks than are kept; the weakest were left out. "
            "A higher --peak-threshold leaves fewer",
            job.video.path,
            left_out,
        )


def _storing(writer: Writer, founds: list[BlockPoses], video: Video, profile: Profile) -> Callable[[], None]:
    def store() -> None:
        with profile.during("writing"):
            poses = join_poses([found.poses for found in founds], writer.manifest.skeleton)
            frame = np.concatenate([found.frame for found in founds])
            animals = np.searchsorted(poses.frame, frame, "right") - np.searchsorted(poses.frame, frame)
            status = np.concatenate([found.status for found in founds])
            log.debug("%s: storing frames %d to %d", writer.path, frame[0], frame[-1])
            writer.write_part(FrameTable(frame, video.time[frame], status, animals.astype(np.int32)), poses)

    return store


def _timed(blocks: Iterator[Block], profile: Profile) -> Iterator[Block]:
    while True:
        with profile.during("reading"):
            block = next(blocks, None)
        if block is None:
            return
        yield block


def _manifest(job: Job, predictor: Predictor) -> Manifest:
    model, compute = predictor.model, predictor.compute
    settings: dict[str, JsonValue] = {
        "peak_threshold": predictor.threshold,
        "max_instances": predictor.limit,
        "runtime": compute.runtime,
        "precision": compute.precision,
        "device": compute.device,
    }
    told = {**settings, "batch_size": job.batch}
    return Manifest(
        skeleton=model.spec.skeleton,
        video={**job.video.fingerprint(), "channels": 1 if job.video.gray else 3},
        model=ModelRecord(
            name=model.spec.name,
            digest=model.digest,
            family=model.spec.family,
            paths=tuple(str(path) for path in model.paths),
        ),
        settings=settings,
        provenance=provenance.at_start(model, compute, job.video.path, told),
        frames=select(job.runs, len(job.video)),
        part_frames=math.ceil(PART_FRAMES / job.batch) * job.batch,
        batch=job.batch,
        pixel_origin=model.spec.pixel_origin,
    )
