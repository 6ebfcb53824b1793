"""One video through one model: read, compute, store, part after part."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from pydantic import JsonValue

from ethopose.core import Poses, UsageError, join_poses
from ethopose.formats import Format
from ethopose.formats.exports import export, exported_path, refuse_foreign
from ethopose.media import Block, JoinedVideo, Video
from ethopose.predict import provenance
from ethopose.predict.following import InOrder
from ethopose.predict.pipeline import Behind, in_order, read_ahead
from ethopose.predict.predictor import BlockPoses, Predictor
from ethopose.predict.profile import Profile
from ethopose.predict.selection import Runs, select
from ethopose.store import (
    Extra,
    Features,
    FrameTable,
    Lists,
    Manifest,
    ModelRecord,
    Result,
    State,
    join_lists,
    plain_columns,
    read,
    start,
    state_before,
)

if TYPE_CHECKING:
    from ethopose.track import Tracking

log = logging.getLogger(__name__)

PART_FRAMES = 1024
FEW = 64  # frames of a part that keeps detections, which are a hundred times as many numbers,
WIDE = 4096  # or vectors of more numbers than this

Progress = Callable[[int, int], None]  # (frames done, frames in all)
Told = Callable[[Path | str, int, int], None]  # (of the video, or what is done to it, frames done, in all)


@dataclass(frozen=True, slots=True)
class Job:
    """What to make of one video."""

    video: Video
    path: Path  # of the result
    batch: int
    runs: Runs | None = None
    formats: list[Format] = field(default_factory=list)
    tracking: Tracking | None = None
    overwrite: bool = False


def predict_video(
    job: Job, predictor: Predictor, progress: Told, profile: Profile
) -> tuple[Result, tuple[Path, ...]]:
    """A video's result, begun or continued, and the files beside it; what is finished is given as it is.

    Raises:
        ResultError: the place holds another result or file.
        VideoError, InferenceError: what was done until then is stored.
    """
    manifest = make_manifest(job.video, predictor, job.batch, job.runs, job.tracking)
    model = predictor.model.spec.name
    files = {exported_path(job.path, form, job.video.path, model): form for form in job.formats}
    if not job.overwrite:
        refuse_foreign(job.path, files)
    with start(job.path, manifest, overwrite=job.overwrite) as writer:
        log.info("%s: %d of %d frames are there", job.path, writer.done, manifest.n_frames)
        if not writer.finished:
            began = time.perf_counter()
            parts = Parts(job.video, predictor, Writing(job.path, writer.manifest, writer.write_part))
            parts.predict(writer.manifest.missing(), partial(progress, job.video.path), profile)
            writer.finish(provenance.at_end(time.perf_counter() - began))
        result = read(job.path)
        if job.tracking is not None:
            from ethopose.track import track_in_place  # compiled code takes a second to load

            result = track_in_place(result, job.tracking, partial(_named, progress, job.video.path.name))
        export(result, files)
    log.info("%s: finished, %d animals in %d frames", job.path, len(result), len(result.frames))
    return result, tuple(files)


def _named(progress: Told, video: str, what: str, done: int, total: int) -> None:
    progress(f"{what} {video}", done, total)


Store = Callable[[FrameTable, Poses, Extra, State | None, Features], None]


@dataclass(frozen=True, slots=True)
class Writing:
    """A result that is being written; `store` is given each part when it is whole."""

    result: Path
    manifest: Manifest
    store: Store


@dataclass(frozen=True, slots=True)
class Parts:
    """The parts of a video's result, as a model makes them."""

    video: Video
    predictor: Predictor
    writing: Writing

    def predict(self, runs: Sequence[tuple[int, int]], progress: Progress, profile: Profile) -> None:
        """Make the parts of some runs of positions [start, stop) in the selection, whole parts each.

        Raises:
            VideoError, InferenceError: what was done until then is stored.
        """
        made, total = self.writing.manifest, self.writing.manifest.n_frames
        done = total - sum(stop - start for start, stop in runs)
        progress(done, total)
        frames = np.concatenate([np.empty(0, np.int64), *(made.selected(*run) for run in runs)])
        blocks = read_ahead(_timed(self.video.blocks(frames, made.batch, gray=self.video.gray), profile))
        founds = self._founds(blocks, profile)
        waiting: list[BlockPoses] = []
        left_out = since = 0
        with Behind() as behind, closing(blocks), closing(founds):
            for found in founds:
                waiting.append(found)
                profile.count(len(found.frame))
                done, since = done + len(found.frame), since + len(found.frame)
                left_out += int(found.left_out.sum())
                progress(done, total)
                if since == made.part_frames or found.frame[-1] == frames[-1]:
                    behind.do(self._storing(waiting, profile))
                    waiting, since = [], 0
        self._tell(left_out)

    def _founds(self, blocks: Iterator[Block], profile: Profile) -> Generator[BlockPoses]:
        """Blocks beside one another, or where each hangs on the one before, one by one."""
        if self.predictor.way is None:
            predictor, batch = self.predictor, self.writing.manifest.batch
            return in_order(lambda block: predictor(block, batch, profile), blocks, predictor.parallel)
        follow = InOrder(self.predictor, partial(state_before, self.writing.result))
        return in_order(lambda block: follow(block, profile), blocks, 1)

    def _storing(self, founds: list[BlockPoses], profile: Profile) -> Callable[[], None]:
        def store() -> None:
            with profile.during("writing"):
                poses = join_poses([found.poses for found in founds], self.writing.manifest.skeleton)
                frame = np.concatenate([found.frame for found in founds])
                animals = np.searchsorted(poses.frame, frame, "right") - np.searchsorted(poses.frame, frame)
                status = np.concatenate([found.status for found in founds])
                log.debug("%s: storing frames %d to %d", self.video.path, frame[0], frame[-1])
                time = self.video.time[frame]
                extra = {name: _joined([found.extra[name] for found in founds]) for name in founds[0].extra}
                frames = FrameTable(frame, time, status, animals.astype(np.int32))
                vectors = {
                    name: np.concatenate([found.features[name] for found in founds])
                    for name in founds[0].features
                }
                self.writing.store(frames, poses, extra, founds[-1].state, vectors)

        return store

    def _tell(self, left_out: int) -> None:
        if left_out:
            log.warning(
                "%s: %d frames have more peaks than are kept; the weakest were left out. "
                "A higher --peak-threshold leaves fewer",
                self.video.path,
                left_out,
            )


def _joined(parts: Sequence[np.ndarray | Lists]) -> np.ndarray | Lists:
    lists = [part for part in parts if isinstance(part, Lists)]
    return join_lists(lists) if lists else np.concatenate([np.asarray(part) for part in parts])


def _timed(blocks: Iterator[Block], profile: Profile) -> Iterator[Block]:
    while True:
        with profile.during("reading"):
            block = next(blocks, None)
        if block is None:
            return
        yield block


def numbers(predictor: Predictor) -> dict[str, JsonValue]:
    """What decides the numbers, beside the model."""
    return {
        "peak_threshold": predictor.threshold,
        "max_instances": predictor.limit,
        "runtime": predictor.compute.runtime,
        "precision": predictor.compute.precision,
        "device": predictor.compute.device.split(":")[0],  # any GPU of a kind will do
        **({} if predictor.window is None else {"cropping": list(predictor.window)}),
        **({} if predictor.first_batch is None else {"detector_batch_size": predictor.first_batch}),
        **({} if predictor.known is None else {"conditions": predictor.known.digest}),
        **predictor.beside.settings,
        **({} if predictor.way is None else predictor.way.settings),
    }


def make_manifest(
    video: Video, predictor: Predictor, batch: int, runs: Runs | None, tracking: Tracking | None = None
) -> Manifest:
    """What the result of a video is to be.

    Raises:
        UsageError: a frame is asked for that the video has not, or a part of frames.
    """
    _check_window(video, predictor)
    if predictor.known is not None:
        predictor.known.check(video)
    model, compute, settings = predictor.model, predictor.compute, numbers(predictor)
    if tracking is not None:
        settings["track"] = tracking.settings
    sources = [each.path for each in (video.segments if isinstance(video, JoinedVideo) else (video,))]
    more = {"device": compute.device, "batch_size": batch}
    many = predictor.beside.edges is not None or sum(predictor.features.values()) > WIDE
    return Manifest(
        skeleton=model.spec.skeleton,
        video={**video.fingerprint(), "channels": 1 if video.gray else 3},
        model=ModelRecord(
            name=model.spec.name,
            digest=model.digest,
            family=model.spec.family,
            paths=tuple(str(path) for path in model.paths),
        ),
        tracks=predictor.tracks,
        settings=settings,
        provenance=provenance.at_start(model, compute, sources, {**settings, **more}),
        frames=select(runs, len(video)),
        part_frames=math.ceil((FEW if many else PART_FRAMES) / batch) * batch,
        batch=batch,
        columns=plain_columns(model.spec.skeleton) | dict(predictor.beside.columns),
        lists=dict(predictor.beside.lists),
        features=dict(predictor.features),
        pixel_origin=model.spec.pixel_origin,
    )


def _check_window(video: Video, predictor: Predictor) -> None:
    height, width = video.shape[:2]
    if predictor.window and (predictor.window[1] > width or predictor.window[3] > height):
        part = ",".join(map(str, predictor.window))
        what = f"the part {part} reaches beyond frames of {width} x {height} px"
        raise UsageError(what, where=video.path, fix="give another --cropping, or none")
