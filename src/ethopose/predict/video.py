"""One video through one model: read, compute, store, part after part."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from pydantic import JsonValue

from ethopose.core import ResultError, join_poses
from ethopose.formats import Format
from ethopose.media import Block, Video
from ethopose.models.spec import ModelSpec
from ethopose.predict import provenance
from ethopose.predict.names import exported_path
from ethopose.predict.pipeline import Behind, in_order, read_ahead
from ethopose.predict.predictor import Found, Predictor
from ethopose.predict.profile import Profile
from ethopose.predict.selection import Runs, select
from ethopose.store import FrameTable, Manifest, ModelRecord, Result, Writer, is_result, read, start

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
    _refuse_foreign_exports(job)
    writer = start(job.path, manifest, overwrite=job.overwrite)
    if not writer.finished:
        _write_parts(job, predictor, writer, progress, profile)
        writer.finish(provenance.at_end(profile.wall))
    result = read(job.path)
    files = {exported_path(job.path, form): form for form in job.formats}
    for file, form in files.items():
        if job.overwrite or not file.exists():
            form.write(result, file)
    return result, tuple(files)


def _write_parts(
    job: Job, predictor: Predictor, writer: Writer, progress: Progress, profile: Profile
) -> None:
    done, total = writer.done, writer.manifest.n_frames
    progress(done, total)
    frames = writer.manifest.selected(done, total)
    spec = predictor.model.spec
    blocks = read_ahead(_timed(job.video.blocks(frames, job.batch, gray=_gray(job, spec)), profile))
    founds = in_order(lambda block: (block, predictor(block, job.batch, profile)), blocks, PARALLEL)
    left_out = 0
    waiting: list[tuple[Block, Found]] = []
    with Behind() as behind, closing(blocks), closing(founds):
        for block, found in founds:
            waiting.append((block, found))
            profile.count(len(block))
            done += len(block)
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


def _storing(
    writer: Writer, founds: list[tuple[Block, Found]], video: Video, profile: Profile
) -> Callable[[], None]:
    def store() -> None:
        with profile.during("writing"):
            poses = join_poses([found.poses for _, found in founds], writer.manifest.skeleton)
            frame = np.concatenate([block.frame for block, _ in founds])
            animals = np.searchsorted(poses.frame, frame, "right") - np.searchsorted(poses.frame, frame)
            status = np.concatenate([block.status for block, _ in founds])
            writer.write_part(FrameTable(frame, video.time[frame], status, animals.astype(np.int32)), poses)

    return store


def _timed(blocks: Iterator[Block], profile: Profile) -> Iterator[Block]:
    while True:
        with profile.during("reading"):
            block = next(blocks, None)
        if block is None:
            return
        yield block


def _gray(job: Job, spec: ModelSpec) -> bool:
    return spec.stages[0].preparation.color == "as_filmed" and job.video.gray


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


def _refuse_foreign_exports(job: Job) -> None:
    """A file that an export would replace must be of this result, or the user must say so."""
    if job.overwrite or is_result(job.path):
        return
    for form in job.formats:
        exported = exported_path(job.path, form)
        if exported.exists():
            raise ResultError(
                "a file of this name is there already, and not from this result",
                where=exported,
                fix="--overwrite replaces it, -o writes elsewhere, --format none writes no such file",
            )
