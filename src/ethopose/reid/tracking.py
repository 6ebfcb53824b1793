"""Who is who, by poses and by looks: the call that users make."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from typing import Any, cast, get_args

from ethopose.core import DataError, FormatError, UsageError
from ethopose.formats.importing import import_poses
from ethopose.formats.table import format_for
from ethopose.reid.appearance import LearnedLooks, tidy
from ethopose.reid.spec import Kind
from ethopose.store import SUFFIX, Result, is_result, read, scratch
from ethopose.track import Tracking, track_result, tracked_path
from ethopose.track.asked import Progress
from ethopose.track.peers import OURS, TRACKLETS

NONE, KEYPOINTS = "none", "keypoints"


def track(
    source: Result | Path | str,
    out: Path | str | None = None,
    *,
    appearance: str | None = None,
    video: Path | str | None = None,
    progress: Progress | None = None,
    **how: Any,
) -> Result:
    """Who is who: the rows of a result, or of a file of poses of another tool, with their tracks, as a new
    result at `out`, or beside the source.

    Args:
        source: a result, its folder, or a file that `read_poses` knows.
        out: the folder of the new result.
        appearance: by what animals are told apart besides: `crop`, the pictures around them; `keypoints`, the
            vectors that `predict --features` kept; `both`; or `none`. Looks are learned from the video
            itself, without labels, and count where they tell pieces of tracks apart that were held out;
            provenance has `told_apart`, the area under the curve. Left out: `keypoints` where there are such
            vectors.
        video: where the video lies now, of a file of poses, or for `crop`, `both` and `flow`.
        progress: told what is done, how many frames of it, and of how many.
        how: the fields of `Tracking`. `step="tracklets"` and then, of its result, `step="stitch"` come to the
            same tracks as both at once. With `animals` there are at most so many tracks, through the whole
            video; without, poses are joined as long as that is likelier than that they are of two animals.
            Where the model tells individuals apart, what it said counts, over each track as a whole. Another
            `method` is a tracker of another tool, with its `options`: `ellipse`, `box`, `skeleton`
            (DeepLabCut 3.0.1; stitched where `animals` is given), `simple`, `flow`, `sort`, `bytetrack`,
            `ocsort` (sleap-nn 0.3.5); these hold all poses in memory and make no joins.

    A run that was killed goes on with the parts that are not written yet, and an appearance that was learned
    is not learned again; who is who is found anew, and comes to the same.

    Raises:
        UsageError: there are tracks already, and not `redo`; no such method, option or appearance; nothing
            looks at `video`; there are no vectors of the keypoints.
        ResultError: the source is unfinished, or there is something else at `out`.
        FormatError: the source is neither, or it is damaged.
        VideoError: the video cannot be read, and is needed.
    """
    if unknown := sorted(how.keys() - {each.name for each in fields(Tracking)}):
        raise UsageError(f"tracking has no option {unknown[0]}", fix="see ethopose.track.Tracking")
    told = Tracking(**how)
    if isinstance(source, Result) or is_result(Path(source)):
        result = source if isinstance(source, Result) else read(source)
        kind = _kind(appearance, result, told)
        if video is not None and not (told.tracker.looks or kind in ("crop", "both")):
            raise UsageError("nothing looks at the video here", fix="leave out --video, or --appearance crop")
        target = Path(out or tracked_path(_with_name(result.path), told.step))
        return _tracked(result, target, told, kind, progress, video=video)
    path = Path(source)
    _check_file(path)
    target = Path(out) if out is not None else tracked_path(path.with_name(path.name + SUFFIX), told.step)
    with scratch(target) as folder, _told_of(path, folder):
        moved = None if video is None else Path(video)
        imported = import_poses(path, folder / "poses", video=moved, overwrite=True)
        kind = _kind(appearance, imported, told)
        return _tracked(imported, target, told, kind, progress, video=video, origin=path)


def tracked(
    source: Path | str,
    out: Path | str | None = None,
    *,
    overwrite: bool = False,
    video: Path | str | None = None,
    progress: Progress | None = None,
    **how: Any,
) -> Result:
    """Tracks to look at: those that are in `source`, unless something is asked of tracking; else those that
    `track` finds. Of a result `video`, where it lies now, need not be of use. Raises as `track`."""
    path = _with_name(Path(source))
    if not is_result(path):
        return track(path, out, video=video, overwrite=overwrite, progress=progress, **how)
    if not how and out is None and (there := read(path)).tracks:
        return there
    seen = how.get("method") == "flow" or how.get("appearance") in ("crop", "both")
    place = video if seen else None
    return track(path, out, video=place, overwrite=overwrite, progress=progress, **how)


def _with_name(path: Path) -> Path:
    """`.` and `..` by their names."""
    return path if path.name not in ("", "..") else path.resolve()


def _check_file(path: Path) -> None:
    """Before anything is made: UsageError where nothing is, FormatError for what cannot be poses."""
    if path.is_dir():
        raise FormatError("this folder is no result", where=path, fix="name a result, or a file of poses")
    if not path.exists():
        raise UsageError("there is no such result or file", where=path, fix="check the path")
    format_for(path)


@contextmanager
def _told_of(path: Path, folder: Path) -> Iterator[None]:
    """What is wrong in the folder is wrong with the file that it was read from."""
    try:
        yield
    except (DataError, FormatError, UsageError) as error:  # else it is the folder itself, such as a full disk
        if isinstance(error.where, Path) and error.where.is_relative_to(folder):
            raise type(error)(error.what, where=path, fix=error.fix) from error
        raise


def _kind(asked: str | None, source: Result, how: Tracking) -> Kind | None:
    """What to look at."""
    kinds = get_args(Kind)
    if asked not in (None, NONE, *kinds):
        raise UsageError(f"no appearance {asked!r}", fix=f"choose from {', '.join((*kinds, NONE))}")
    if how.method != OURS or how.step == TRACKLETS:
        if asked not in (None, NONE):
            what = f"the method {how.method}" if how.method != OURS else "a step that joins nothing"
            raise UsageError(f"{what} knows no appearance", fix="leave out --appearance")
        return None
    if asked is None:
        return "keypoints" if KEYPOINTS in source.manifest.features else None
    return None if asked == NONE else cast(Kind, asked)


def _tracked(
    source: Result, out: Path, how: Tracking, kind: Kind | None, progress: Progress | None, **more: Any
) -> Result:
    looks = None if kind is None else LearnedLooks(kind, source, more["video"])
    done = track_result(source, out, how, progress, appearance=looks, **more)
    if looks is not None:
        tidy(out)
    return done
