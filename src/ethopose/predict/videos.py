"""Videos and a model in, results out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

from ethopose.core import DiskFullError, EthoposeError, UsageError
from ethopose.families import Model, load
from ethopose.formats.exports import formats_named
from ethopose.media import find_videos, open_video
from ethopose.predict.names import result_path
from ethopose.predict.options import Options, options_from
from ethopose.predict.predictor import Predictor
from ethopose.predict.report import Report
from ethopose.predict.video import Job, Told, predict_video
from ethopose.runtime import resolve
from ethopose.store import Result

if TYPE_CHECKING:
    from ethopose.track import Tracking

ModelLike = Model | str | Path | Sequence[str | Path]


@overload
def predict(videos: str | Path, model: ModelLike, **options: Any) -> Result: ...
@overload
def predict(videos: Sequence[str | Path], model: ModelLike, **options: Any) -> Report: ...
def predict(videos: str | Path | Sequence[str | Path], model: ModelLike, **options: Any) -> Result | Report:
    """Poses in a video, or in each of several; run the same call again to go on where it stopped.

    Args:
        videos: a video file or a folder of images gives its `Result`; a sequence of such, or of folders
            of videos, gives a `Report` that is keyed by video.
        model: a model folder, the two folders of a top-down pair in any order, or what `load` gave.
        options: the fields of `ethopose.Options`.

    Raises:
        UsageError, ModelError: before any video is touched.
        EthoposeError: for one video, what kept it from its result; of several, the report tells.
    """
    if not isinstance(videos, str | Path):
        return predict_all(videos, model, options_from(options))
    if len(found := find_videos([videos])) > 1:
        raise UsageError(f"a folder of {len(found)} videos", where=videos, fix="give it in a list: [folder]")
    report = predict_all(found, model, options_from(options))
    for error in report.failures.values():
        raise error
    return next(iter(report.results.values()))


def predict_all(
    videos: Sequence[str | Path], model: ModelLike, options: Options, progress: Told | None = None
) -> Report:
    """Poses in videos, one after the other; one that fails does not stop the rest, a full disk does.

    `progress` is told the video, or what else is done to it (tracks have stages), and frames.
    """
    paths = find_videos(videos)
    formats_named(options.format, ())
    compute = resolve(options.compute)
    if options.conditions is not None and len(paths) > 1:
        raise UsageError("conditions are of one video", fix="predict the videos one by one")
    loaded = _loaded(model, options)
    predictor = Predictor(
        loaded,
        compute,
        threshold=options.peak_threshold,
        limit=options.max_instances,
        manner=options.manner(loaded),
    )
    tracking = options.tracking(loaded.spec)
    several = paths != [Path(video) for video in videos] or len(paths) > 1
    places = _places(paths, loaded, options, several=several)
    report = Report(strict=options.strict)
    for path, place in places.items():
        try:
            job = _job(path, place, predictor, options, tracking)
            told = progress or _silent
            report.results[path], report.files[path] = predict_video(job, predictor, told, report.profile)
        except EthoposeError as error:
            if isinstance(error, DiskFullError) or (isinstance(error, UsageError) and len(places) == 1):
                raise
            report.failures[path] = error
    return report


def _loaded(model: ModelLike, options: Options) -> Model:
    if not isinstance(model, Model):
        alone = options.conditions is not None
        return load(model, alone=alone, crops_only=options.crops_only, trust_code=options.trust_code)
    if options.top_down_dynamic is None:
        return model
    if model.alone is None:
        what = f"--top-down-dynamic is for top-down models of DeepLabCut, and this one is {model.spec.kind}"
        raise UsageError(what, fix="leave it out")
    return model.alone()


def _places(paths: Sequence[Path], model: Model, options: Options, *, several: bool) -> dict[Path, Path]:
    """Where each video's result goes."""
    out = None if options.out is None else Path(options.out)
    places = {path: result_path(path, model.spec.name, out, several=several) for path in paths}
    for place, number in Counter(place.resolve() for place in places.values()).items():
        if number > 1:
            raise UsageError(
                f"{number} of the videos have one name, and so would their results",
                where=place,
                fix="leave out -o, or predict them one by one",
            )
    return places


def _job(path: Path, place: Path, predictor: Predictor, options: Options, tracking: Tracking | None) -> Job:
    model = predictor.model
    return Job(
        video=open_video(path),
        path=place,
        batch=options.block(str(predictor.compute.runtime)),
        runs=options.runs,
        formats=formats_named(options.format, options.formats(model.spec)),
        tracking=tracking,
        overwrite=options.overwrite,
    )


def _silent(what: Path | str, done: int, total: int) -> None: ...
