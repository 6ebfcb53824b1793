"""Several videos of the same animals: one network, one gallery, the same names from day to day."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, cast, get_args

import numpy as np
from jaxtyping import Int64
from pydantic import JsonValue

from ethopose.core import ModelError, ResultError, UsageError
from ethopose.media import Video
from ethopose.reid.appearance import SEED, lesson_from
from ethopose.reid.folder import check_free, digest_of, write_model
from ethopose.reid.gallery import Seen, gallery_of, read_gallery, seen_of
from ethopose.reid.model import read_network, read_spec
from ethopose.reid.samples import Pieced
from ethopose.reid.spec import Kind
from ethopose.store import SUFFIX, UNSURE, Result, read, video_of
from ethopose.track import Rows, rows_of, tracks

if TYPE_CHECKING:
    from ethopose.reid.learning import Lesson
    from ethopose.reid.networks import LooksNet

log = logging.getLogger(__name__)

NAMED = f".named{SUFFIX}"
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class Known:
    """What `train` came to."""

    path: Path
    names: tuple[str, ...]
    told_apart: float  # area under the curve, on shares of the videos that were held out; NaN: not known
    triplets: float


@dataclass(frozen=True, slots=True)
class Named:
    """What `apply` came to: of each track who it most likely is, and how sure that is."""

    result: Result
    names: dict[str, tuple[str, float]]

    @property
    def unsure(self) -> tuple[str, ...]:
        """Tracks that were left under their own names."""
        own = set(self.result.tracks)
        return tuple(track for track in self.names if track in own and self.names[track][1] < UNSURE)


def train(
    results: Sequence[Result | Path | str],
    out: Path | str,
    *,
    appearance: str | None = None,
    videos: Sequence[Path | str] = (),
    overwrite: bool = False,
    progress: Progress | None = None,
) -> Known:
    """Learn what the animals of several tracked results look like, and who of one is who of another.

    Tracks that a person named keep their names, others are `animal_1` and so on; `out` is the folder of the
    model. `appearance` is `crop`, `keypoints` or `both`; left out, `keypoints` where all results have such
    vectors, else `crop`. `videos` tells where the videos lie now, if moved: one a result, in their order.
    With `overwrite` a model of `train` that is there is replaced, once the new one is whole; nothing else is.

    Raises:
        UsageError: a result has no tracks, or is named twice; no such appearance; there is something at
            `out`; other than one video a result, or nothing looks at them.
        ModelError: results have other keypoints, or vectors of another pose model, than the first; animals
            are not told apart.
        VideoError: a video is not there.
    """
    from ethopose.reid.learning import learn
    from ethopose.reid.views import KEYPOINTS, Sight, spec_of

    sources, home = [_tracked(each) for each in results], Path(out)
    if not sources:
        raise UsageError("no result was named", fix="name tracked results")
    places = [source.path.resolve() for source in sources]
    if twice := [path for path in places if places.count(path) > 1]:
        raise UsageError("it is named twice", where=twice[0], fix="name each video's result once")
    check_free(home, overwrite=overwrite)
    if videos and len(videos) != len(sources):
        what = f"{len(videos)} videos for {len(sources)} results"
        raise UsageError(what, fix="name the video of each result, in their order: --video PATH ...")
    if appearance not in (None, *get_args(Kind)):
        raise UsageError(f"no appearance {appearance!r}", fix=f"choose from {', '.join(get_args(Kind))}")
    there = all(KEYPOINTS in source.manifest.features for source in sources)
    kind = cast(Kind, appearance or ("keypoints" if there else "crop"))
    _check_looks(kind, videos)
    opening = [_Opening(*both) for both in zip_longest(sources, videos)]
    spec = spec_of(kind, sources[0], opening[0])
    sights = [Sight(spec, *both) for both in zip(sources, opening, strict=True)]
    for sight in sights:
        sight.check()
    lessons = [lesson_from(sight, _by_track(sight.source), progress) for sight in sights]
    learned = learn(spec, lessons, SEED, progress)
    if not learned.told.useful:
        what = (
            "the animals are not told apart by their looks" if learned.rows else "too few animals at one time"
        )
        told = f"{what} (area under the curve {learned.told.auc:.2f})"
        raise ModelError(told, where=sources[0].path, fix="train on tracks that were looked at and corrected")
    gallery = gallery_of(
        *(_seen(source, lesson, learned.network) for source, lesson in zip(sources, lessons, strict=True))
    )
    write_model(home, spec, learned, gallery, overwrite=overwrite)
    most = max(len(source.tracks) for source in sources)
    if len(gallery.names) > most:
        log.warning(
            "%s: %d animals, and no video has more than %d tracks; if some are the same, look at the tracks, "
            "correct them (or give them names), and train again",
            home,
            len(gallery.names),
            most,
        )
    return Known(home, gallery.names, learned.told.auc, learned.told.triplets)


def apply(
    result: Result | Path | str,
    model: Path | str,
    out: Path | str | None = None,
    *,
    video: Path | str | None = None,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> Named:
    """Name the tracks of a result after the animals that a model of `train` knows, as a new result, beside it
    if `out` is left out. A track of which that is less than 90 % sure keeps its own name.

    Raises:
        UsageError: the result has no tracks, or nothing looks at `video`.
        ModelError: the model is none, or one of other keypoints or of the vectors of another pose model.
        VideoError: the video is not there.
        ResultError: there is something else at `out`.
    """
    from ethopose.reid.views import Sight

    source, folder = _tracked(result), Path(model)
    spec = read_spec(folder)
    gallery, digest = read_gallery(folder, spec.dimensions), digest_of(folder)
    _check_looks(spec.kind, [] if video is None else [video])
    sight = Sight(spec, source, _Opening(source, video))
    sight.check()
    lesson = lesson_from(sight, _by_track(source), progress)
    found = gallery.named(_seen(source, lesson, read_network(folder, spec)))
    sure = {track: name for track, (name, certainty) in found.items() if certainty >= UNSURE}
    note: dict[str, JsonValue] = {
        track: {"name": name, "certainty": round(sure, 4)} for track, (name, sure) in found.items()
    }
    target = Path(out or source.path.with_name(source.path.name.removesuffix(SUFFIX) + NAMED))
    words = f"reid apply -m {folder.name} ({digest})"  # trained anew it gives another result
    told = {"overwrite": overwrite, "progress": progress, "out": target}
    return Named(tracks.rename_all(source, sure, words, note, **cast(tracks.How, told)), found)


def _check_looks(kind: Kind, videos: Sequence[Path | str]) -> None:
    if videos and kind == "keypoints":
        raise UsageError("nothing looks at the video here", fix="leave out --video, or train with crop")


class _Opening:
    """Opens a result's video when it is first needed."""

    def __init__(self, source: Result, moved: Path | str | None = None) -> None:
        self._source, self._moved = source, moved
        self._video: Video | None = None

    def __call__(self) -> Video:
        self._video = self._video or video_of(self._source, self._moved)
        return self._video


def _tracked(result: Result | Path | str) -> Result:
    source = result if isinstance(result, Result) else read(result)
    if not source.finished:
        raise ResultError("the result is not finished", where=source.path, fix="start its command again")
    if not source.tracks:
        raise UsageError("there are no tracks", where=source.path, fix="ethopose track finds them")
    return source


def _by_track(source: Result) -> Pieced:
    def pieced() -> Iterator[tuple[Rows, Int64[np.ndarray, "instance"]]]:
        for rows, part in zip(rows_of(source), source, strict=True):
            yield rows, part.poses.track.astype(np.int64)

    return pieced


def _seen(source: Result, lesson: Lesson, network: LooksNet) -> Seen:
    """The tracks of a result, by all samples."""
    from ethopose.reid.learning import embed

    both = ((lesson.samples, lesson.views), (lesson.held, lesson.held_views))
    parts = [(some.frame, some.name[some.piece], embed(network, views)) for some, views in both if len(some)]
    if not parts:
        return seen_of(source.tracks, np.empty(0), np.empty((0, network.last.out_features), np.float32))
    frame, track, vector = (np.concatenate(column) for column in zip(*parts, strict=True))
    order = np.argsort(frame, kind="stable")
    return seen_of(source.tracks, track[order], vector[order])
