"""What a model, a video, a result or a file of poses is, as plain data; nothing is computed."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import JsonValue
from pydantic_core import to_jsonable_python
from safetensors import SafetensorError, safe_open

from ethopose.core import FormatError, Skeleton, UsageError, VideoError
from ethopose.families import FAMILIES, load
from ethopose.families.native import WEIGHTS
from ethopose.formats import FORMATS, read_poses
from ethopose.media import VIDEO_SUFFIXES, find_videos, open_video
from ethopose.media.packets import open_stream
from ethopose.reid.folder import digest_of
from ethopose.reid.gallery import NAME as GALLERY
from ethopose.reid.gallery import read_gallery
from ethopose.reid.model import SPEC as LOOKS
from ethopose.reid.model import read_spec
from ethopose.store import SKIPPED, UNDECODABLE, Manifest, Result, is_result, read

Facts = dict[str, JsonValue]
RESULT_SUFFIX = ".ethopose"


def info(path: str | Path | Sequence[str | Path]) -> Facts:
    """What lies at a path, under names that need no explanation; `is` says which kind of thing it is.

    A file of a model's or a result's folder stands for the folder; two paths are a top-down pair.
    Lengths are px, times seconds, sizes bytes.

    Raises:
        UsageError: nothing is there, or nothing that ethopose knows.
        ModelError, VideoError, FormatError: it is of a known kind, and damaged.
    """
    paths = [Path(path)] if isinstance(path, str | Path) else [Path(each) for each in path]
    if len(paths) != 1:
        return _model(paths)
    place = paths[0]
    try:
        place.stat()
    except OSError as error:
        raise UsageError(f"there is nothing ({error.strerror})", where=place, fix="check the path") from None
    home = next((folder for folder in (place, *place.parents[:2]) if is_result(folder)), None)
    if home is not None:
        return _result(read(home))
    return _folder(place) if place.is_dir() else _file(place)


def _folder(place: Path) -> Facts:
    if _holds_model(place):
        return _model([place])
    if (place / LOOKS).is_file():
        return _looks(place)
    try:
        videos = find_videos([place])
    except VideoError:
        raise _unknown(place) from None
    if videos != [place]:
        raise UsageError(f"a folder of {len(videos)} videos", where=place, fix=f"name one: {videos[0]}")
    return _video(place)


def _file(place: Path) -> Facts:
    in_model, in_looks = _holds_model(place.parent), (place.parent / LOOKS).is_file()
    if any(place.name.endswith(form.suffix) for form in FORMATS.values()):
        try:
            return _poses(place)
        except FormatError:
            if not (in_model or in_looks):  # models have files that end like poses and are none
                raise
    if place.suffix.lower() in VIDEO_SUFFIXES:
        return _video(place)
    if in_model:
        return _model([place])
    if in_looks:
        return _looks(place.parent)
    try:
        return _video(place)
    except VideoError:
        raise _unknown(place) from None


def _unknown(place: Path) -> UsageError:
    families = ", ".join(family.name for family in FAMILIES)
    suffixes = ", ".join(dict.fromkeys(form.suffix for form in FORMATS.values()))
    known = (
        f"a model folder of {families}, or of reid train; a video or a folder of images; "
        f"a result; a file of poses ({suffixes}); the two folders of a top-down pair"
    )
    return UsageError("nothing that ethopose knows", where=place, fix=f"name one of these: {known}")


def _holds_model(folder: Path) -> bool:
    return any(family.recognises(folder) for family in FAMILIES)


def _model(paths: Sequence[Path]) -> Facts:
    model = load(paths, alone=True)
    spec = model.spec
    counts = _parameters(model.paths[0] / WEIGHTS, len(spec.stages))
    return _plain(
        {
            "is": "model",
            "name": spec.name,
            "family": spec.family,
            "kind": spec.kind,
            "needs": model.needs,
            **_skeleton(spec.skeleton),
            "stages": [
                stage.model_dump(mode="json") | count
                for stage, count in zip(spec.stages, counts, strict=True)
            ],
            "pixel_origin": spec.pixel_origin,
            "writes": spec.result_formats,
            "digest": model.digest,
            "paths": model.paths,
            "bytes": sum(_size(folder) for folder in model.paths),
            "provenance": _brief(spec.provenance),
        }
    )


def _looks(place: Path) -> Facts:
    spec = read_spec(place)
    known = read_gallery(place, spec.dimensions) if (place / GALLERY).is_file() else None
    return _plain(
        {
            "is": "network of looks" if known is None else "model of reid train",
            "names": [] if known is None else known.names,
            "appearance": spec.kind,
            "keypoints": spec.skeleton,
            "dimensions": spec.dimensions,
            "digest": None if known is None else digest_of(place),
            "path": place.resolve(),
            "bytes": _size(place),
        }
    )


def _parameters(weights: Path, stages: int) -> list[dict[str, int]]:
    """How many numbers each stage has learnt, where they can be counted without torch."""
    counts = [0] * stages
    try:
        with safe_open(weights, framework="numpy") as file:
            for name in file.keys():  # noqa: SIM118  it is no mapping
                stage, _, tensor = name.partition(".")
                if not tensor.endswith((".running_mean", ".running_var", ".num_batches_tracked")):
                    counts[int(stage)] += math.prod(file.get_slice(name).get_shape())
    except (OSError, SafetensorError, ValueError, IndexError):
        return [{}] * stages
    return [{"parameters": count} for count in counts]


def _video(place: Path) -> Facts:
    video = open_video(place)
    facts: dict[str, Any] = {"is": "folder of images" if place.is_dir() else "video"}
    facts |= video.fingerprint() | {"gray": video.gray}
    if place.is_dir():
        del facts["fps"]  # nobody knows how long after one another images were taken
    else:
        facts |= {"seconds": round(float(video.time[-1]) + 1 / video.fps, 3), **_stream(place)}
    return _plain(facts | {"results": _beside(place, f"{place.name}.", RESULT_SUFFIX)})


def _stream(place: Path) -> dict[str, str | None]:
    container, stream = open_stream(place)
    with container:
        codec = stream.codec_context
        return {"codec": codec.name, "pixel_format": codec.pix_fmt, "container": container.format.name}


def _result(result: Result) -> Facts:
    manifest = result.manifest
    name = result.path.absolute().name
    return _plain(
        {
            "is": "result",
            "path": result.path.resolve(),
            "state": manifest.state,
            "video": manifest.video,
            "model": manifest.model.model_dump(),
            "frames": manifest.n_frames,
            "frames_done": manifest.n_done,
            **_losses(result),
            "animals": len(result),
            "tracks": result.tracks,
            **_skeleton(result.skeleton),
            **_arrangement(manifest),
            "settings": manifest.settings,
            "provenance": _brief(manifest.provenance),
            "bytes": _size(result.path),
            "beside": [
                file for file in _beside(result.path, f"{name.removesuffix(RESULT_SUFFIX)}.") if file != name
            ],
        }
    )


def _losses(result: Result) -> dict[str, int | str]:
    try:
        status = result.frames.status
    except FormatError as error:
        return {"damage": str(error)}
    return {
        "frames_undecodable": int(np.sum(status == UNDECODABLE)),
        "frames_skipped": int(np.sum(status == SKIPPED)),
    }


def _arrangement(manifest: Manifest) -> dict[str, Any]:
    return {
        "columns_added": {name: manifest.columns[name] for name in manifest.extra_columns},
        "runs": manifest.frames,
        "batch": manifest.batch,
        "parts": len(manifest.parts),
        "pixel_origin": manifest.pixel_origin,
        "convention": manifest.convention,
    }


def _poses(place: Path) -> Facts:
    form, file = read_poses(place)
    found = np.isfinite(file.poses.xy).all(-1)
    return _plain(
        {
            "is": "poses",
            "format": form.name,
            "path": place.resolve(),
            "bytes": _size(place),
            "video": file.video,
            "frames": len(file.frames),
            "first_frame": int(file.frames[0]) if len(file.frames) else None,
            "last_frame": int(file.frames[-1]) if len(file.frames) else None,
            "animals": len(file.poses),
            "tracks": file.tracks,
            **_skeleton(file.poses.skeleton),
            "keypoints_found": round(float(found.mean()), 4) if found.size else None,
        }
    )


def _skeleton(skeleton: Skeleton) -> dict[str, Any]:
    def named(pairs: Sequence[tuple[int, int]]) -> list[list[str]]:
        return [[skeleton.keypoints[end] for end in pair] for pair in pairs]

    return {
        "keypoints": skeleton.keypoints,
        "edges": named(skeleton.edges),
        "symmetries": named(skeleton.symmetries),
        "individuals": skeleton.individuals,
        "unique": skeleton.unique,
    }


def _beside(place: Path, prefix: str, suffix: str = "") -> list[str]:
    try:
        names = [each.name for each in place.absolute().parent.iterdir()]
    except OSError:  # a folder that may be passed through and not be listed
        return []
    return sorted(name for name in names if name.startswith(prefix) and name.endswith(suffix))


def _size(place: Path) -> int:
    files = place.rglob("*") if place.is_dir() else [place]
    return sum(file.stat().st_size for file in files if file.is_file())


def _brief(provenance: Mapping[str, Any]) -> Facts:
    """What can be told in a line each: whole configurations are for the files that repeat them."""
    return {name: value for name, value in provenance.items() if not isinstance(value, dict)}


def _plain(facts: dict[str, Any]) -> Facts:
    plain: Facts = to_jsonable_python(facts)
    return plain
