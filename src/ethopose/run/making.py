"""The steps of one video, as a worker does them: those of `ethopose.predict`, apart."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

from ethopose.core import InferenceError, MemoryFullError, ModelError, ResultError
from ethopose.families import load
from ethopose.formats.exports import export, make, refuse_foreign
from ethopose.media import Block, Video
from ethopose.predict import Options, Profile
from ethopose.predict.predictor import Predictor
from ethopose.predict.video import Parts, Writing, make_manifest, numbers
from ethopose.run.messages import Runs, Wrap, Wrapped
from ethopose.run.plan import Recipe
from ethopose.run.steps import beside
from ethopose.runtime import resolve
from ethopose.store import OK, UNDECODABLE, Manifest, Result, read, settle


class Maker:
    """A model on a device, and what it makes of videos."""

    def __init__(self, recipe: Recipe) -> None:
        options, self._paths = recipe.options, recipe.model
        compute = resolve(options.compute)
        loaded = load(recipe.model, crops_only=options.crops_only, trust_code=options.trust_code)
        if loaded.digest != recipe.digest:
            where = ", ".join(map(str, recipe.model))
            raise ModelError("it has changed since the run began", where=where, fix="start the run again")
        self.predictor = Predictor(
            loaded,
            compute,
            threshold=options.peak_threshold,
            limit=options.max_instances,
            manner=options.manner(loaded),
        )
        self._batch = options.block(str(compute.runtime))
        self._tried = False

    def manifest(self, video: Video, options: Options) -> Manifest:
        """What the result of a video is to be. The first video's size is tried out. Raises ModelError."""
        if not self._tried:
            self.try_out((*video.shape[:2], 1 if video.gray else 3))
        tracking = options.tracking(self.predictor.model.spec)
        return make_manifest(video, self.predictor, self._batch, options.runs, tracking)

    def try_out(self, shape: tuple[int, int, int] = (256, 256, 3)) -> None:
        """A black frame through the whole model; what ends memory is left to the video.

        Raises:
            ModelError: it does not run.
        """
        black = Block(np.zeros(1, np.int64), np.zeros((1, *shape), np.uint8), np.full(1, OK, np.uint8))
        try:
            self.predictor(black, self._batch, Profile(), self.predictor.begin())
        except MemoryFullError:
            return
        except InferenceError as error:
            if self.predictor.compute.device != "cpu":
                raise  # the CPU may do it
            raise ModelError(
                f"it loads, but does not run ({error.what})",
                where=", ".join(map(str, self._paths)),
                fix=error.fix,
            ) from error
        self._tried = True

    def check(self, manifest: Manifest) -> None:
        """Whether parts made here belong into a result.

        Raises:
            InferenceError: this machine computes otherwise than the one that began it.
        """
        for name, value in numbers(self.predictor).items():
            if manifest.settings[name] != value:
                what = f"{name} is {value!r} on this machine, and {manifest.settings[name]!r} in the result"
                raise InferenceError(
                    what, fix="name --device, --runtime and --precision that all machines have"
                )

    def make(
        self, video: Video, writing: Writing, runs: Runs, count: Callable[[int], None]
    ) -> dict[str, float]:
        """Parts of a result; `count` hears of every batch how many frames it had. Gives seconds by stage."""
        profile = Profile()
        before = writing.manifest.n_frames - sum(stop - start for start, stop in runs)

        def progress(done: int, total: int) -> None:
            nonlocal before
            count(done - before)
            before = done

        Parts(video, self.predictor, writing).predict(runs, progress, profile)
        return profile.seconds

    def wrap(self, task: Wrap, recipe: Recipe) -> Wrapped:
        """A finished result read back and counted, with the files and steps that come after it.

        Raises:
            ResultError, FormatError: it is not what was written.
        """
        settle(task.result)
        result = read(task.result)
        lost = _counted(result)
        if recipe.tracking is not None:
            from ethopose.track import track_in_place  # compiled code takes a second to load

            result = track_in_place(result, recipe.tracking)
        video = Path(str(result.video["path"]))
        wanted = beside(task.result, video, recipe, task.then, tracked=bool(result.tracks))
        if not recipe.options.overwrite:
            refuse_foreign(task.result, wanted.files)
        export(result, wanted.exports)
        for step, files in wanted.steps:
            make(result, files, partial(step.write, result))
        return Wrapped(task.id, task.work, tuple(wanted.files), len(result), lost)


def _counted(result: Result) -> int:
    """How many frames could not be read, of a result every part of which is as it was written."""
    frames = lost = 0
    for part in result:
        frames += len(part.frames)
        lost += int((part.frames.status == UNDECODABLE).sum())
    if frames != result.manifest.n_frames or not result.finished:
        what = f"{frames} of {result.manifest.n_frames} frames came back"
        raise ResultError(what, where=result.path, fix="start the same command again")
    return lost
