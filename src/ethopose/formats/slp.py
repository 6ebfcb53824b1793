"""SLEAP's `.slp`: HDF5 as sleap-io lays it out (format 1.4 written, 1.0 to 2.x read)."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import JsonValue

from ethopose.core import DataError, Poses, ResultError, Skeleton
from ethopose.formats.format import Format, PoseFile, reading
from ethopose.formats.hdf5 import replacing_hdf5
from ethopose.formats.slp_skeleton import from_graph, to_graph
from ethopose.formats.slp_tables import (
    FRAME,
    INSTANCE,
    POINT,
    PREDICTED,
    PREDICTED_POINT,
    USER,
    lengths_of,
    load_table,
    points_of,
    rows_of,
    texts,
)
from ethopose.store import Part, Result

if TYPE_CHECKING:
    import h5py

_ATTRIBUTE_LIMIT = 64_000  # HDF5 allows an attribute 64 KiB, its header included

# SLEAP-NN's guide and its code name the same things differently: results keep the guide's names, both
# are written
_ALSO = {
    "timestamp_start": "inference_start_timestamp",
    "timestamp_end": "inference_end_timestamp",
    "runtime_sec": "inference_runtime_seconds",
    "torch_version": "pytorch_version",
}
_FLAT = ("peak_threshold", "batch_size", "max_instances")  # settings told at the top level too


def write(result: Result, path: Path) -> None:
    """Write predicted instances and a row for every frame of a result, part by part.

    One track an instance: the result's tracks, or the individuals where it has none. Coordinates
    are moved so that the centre of the top left pixel is (0, 0).

    Raises:
        ResultError: the disk is full, or the skeleton is larger than the format can hold.
    """
    with replacing_hdf5(path) as file:
        names = _write_parts(file, result)
        _write_json(file, "videos_json", [_video(result.video)])
        _write_json(file, "tracks_json", [[0, name] for name in names])
        _write_json(file, "suggestions_json", [])
        _write_json(file, "sessions_json", [])
        _write_metadata(file, result)


def _write_parts(file: "h5py.File", result: Result) -> tuple[str, ...]:
    """Write frames, instances and points; gives the names of the tracks they speak of."""
    n_keypoints = len(result.skeleton.keypoints)
    frames = file.create_dataset("frames", (result.manifest.n_done,), FRAME)
    instances = file.create_dataset("instances", (len(result),), INSTANCE)
    file.create_dataset("points", (0,), POINT)
    points = file.create_dataset("pred_points", (len(result) * n_keypoints,), PREDICTED_POINT)
    names = result.tracks or result.skeleton.individuals
    by_individual = not result.tracks and bool(names)
    frame_at, row_at, last_track = 0, 0, len(names) - 1
    for part in result:
        track = part.poses.individual.astype(np.int32) if by_individual else part.poses.track
        last_track = max(last_track, track.max(initial=-1))
        n_frames, n_rows = len(part.frames), len(part.poses)
        frames[frame_at : frame_at + n_frames] = _frame_rows(part, frame_at, row_at)
        instances[row_at : row_at + n_rows] = _instance_rows(part, track, frame_at, row_at)
        stop = (row_at + n_rows) * n_keypoints
        points[row_at * n_keypoints : stop] = _point_rows(part.poses, result.manifest.pixel_origin)
        frame_at, row_at = frame_at + n_frames, row_at + n_rows
    return (*names, *(f"track_{number}" for number in range(len(names), last_track + 1)))


def _frame_rows(part: Part, frame_at: int, row_at: int) -> np.ndarray[Any, Any]:
    rows = np.zeros(len(part.frames), FRAME)
    rows["frame_id"] = frame_at + np.arange(len(rows))
    rows["frame_idx"] = part.frames.frame
    rows["instance_id_end"] = row_at + np.cumsum(part.frames.animals)
    rows["instance_id_start"] = rows["instance_id_end"] - part.frames.animals.astype(np.uint64)
    return rows


def _instance_rows(part: Part, track: np.ndarray, frame_at: int, row_at: int) -> np.ndarray[Any, Any]:
    poses, n_keypoints = part.poses, len(part.poses.skeleton.keypoints)
    rows = np.zeros(len(poses), INSTANCE)
    rows["instance_id"] = row_at + np.arange(len(rows))
    rows["instance_type"] = PREDICTED
    rows["frame_id"] = frame_at + np.searchsorted(part.frames.frame, poses.frame)
    rows["track"] = track
    rows["from_predicted"] = -1
    rows["score"] = poses.score
    rows["point_id_start"] = rows["instance_id"] * n_keypoints
    rows["point_id_end"] = rows["point_id_start"] + np.uint64(n_keypoints)
    rows["tracking_score"] = poses.identity_score
    return rows


def _point_rows(poses: Poses, pixel_origin: float) -> np.ndarray[Any, Any]:
    rows = np.zeros(poses.confidence.size, PREDICTED_POINT)
    xy = poses.xy.reshape(-1, 2).astype(np.float64) - pixel_origin
    rows["x"], rows["y"] = xy.T
    rows["visible"] = np.isfinite(xy).all(axis=1)
    rows["score"] = poses.confidence.reshape(-1)
    return rows


def _video(video: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    path = Path(str(video.get("path", "")))
    shape = [video.get(key) for key in ("frames", "height", "width", "channels")]
    backend: dict[str, JsonValue] = {
        "type": "ImageVideo" if path.is_dir() else "MediaVideo",
        "shape": None if None in shape else shape,
        "filename": path.absolute().as_posix(),
        "grayscale": video["channels"] == 1 if "channels" in video else None,
        "bgr": True,
        "dataset": "",
        "input_format": "",
        "fps": video.get("fps"),
    }
    return {"filename": backend["filename"], "backend": backend}


def _write_json(file: "h5py.File", name: str, rows: list[Any]) -> None:
    import h5py

    text = [_compact(row) for row in rows]
    file.create_dataset(name, data=text, dtype=h5py.string_dtype(), maxshape=(None,))


def _write_metadata(file: "h5py.File", result: Result) -> None:
    skeleton, nodes = to_graph(result.skeleton)
    provenance = _provenance(result)
    metadata = {
        "version": "2.0.0",
        "skeletons": [skeleton],
        "nodes": nodes,
        "videos": [],
        "tracks": [],
        "suggestions": [],
        "negative_anchors": {},
        "provenance": provenance,
    }
    if len(_compact(metadata)) > _ATTRIBUTE_LIMIT:  # provenance_json holds it in any case
        metadata["provenance"] = {}
    if len(text := _compact(metadata)) > _ATTRIBUTE_LIMIT:
        raise ResultError("the skeleton is too large for a .slp file", where=result.path, fix="--format csv")
    file.create_dataset("provenance_json", data=np.bytes_(_compact(provenance)))
    group = file.create_group("metadata")
    group.attrs["format_id"] = 1.4
    group.attrs["json"] = np.bytes_(text)


def _provenance(result: Result) -> dict[str, Any]:
    manifest, video = result.manifest, str(result.video.get("path", ""))
    told = {also: manifest.provenance[name] for name, also in _ALSO.items() if name in manifest.provenance}
    settings = {"batch_size": manifest.batch, **manifest.settings}
    flat: dict[str, Any] = {key: settings[key] for key in _FLAT if key in settings}
    return {
        **manifest.provenance,
        **told,
        **flat,
        "model_paths": list(manifest.model.paths),
        "model_name": manifest.model.name,
        "model_digest": manifest.model.digest,
        "source_file": video,
        "source_path": video,
        "source_video_paths": [video],
        "frame_selection": {"frames_processed": manifest.n_done},
        "inference_config": settings,
    }


def _compact(value: object) -> str:
    return json.dumps(value, separators=(",", ":"))


def read(path: Path, *, video: int | None = None) -> PoseFile:
    """Read the instances of one video, those that people placed and those predicted.

    What people placed has score and confidence 1. A prediction that a person corrected is left out, for it
    is the same animal. `video` is needed where the file holds several.

    Raises:
        FormatError: not a `.slp` file, damaged, newer than 2.x, several videos or skeletons.
    """
    import h5py

    with reading(path, "slp"), h5py.File(path, "r") as file:
        version = float(file["metadata"].attrs.get("format_id", 1.0))
        if not 1 <= version < 3:
            raise DataError(f"format {version:g}; formats 1.0 to 2.x can be read")
        metadata = json.loads(file["metadata"].attrs["json"])
        frames, instances = load_table(file, "frames", FRAME), load_table(file, "instances", INSTANCE)
        frames, row_of_frame = _frames_of(frames, instances, video)
        tracks = tuple(str(json.loads(row)[1]) for row in texts(file, "tracks_json"))
        rows = instances[row_of_frame]
        replaced = np.isin(row_of_frame, rows["from_predicted"][rows["instance_type"] == USER])
        rows, frame = (
            rows[~replaced],
            np.repeat(frames["frame_idx"].astype(np.int64), lengths_of(frames))[~replaced],
        )
        poses = _poses(file, rows, frame, _skeleton(metadata, rows), shift=0.5 if version < 1.1 else 0.0)
        if len(poses) and not -1 <= poses.track.min() <= poses.track.max() < len(tracks):
            raise DataError(f"instances speak of tracks beyond the {len(tracks)} there are")
        return PoseFile(
            poses, np.unique(frames["frame_idx"].astype(np.int64)), tracks, _video_path(file, frames)
        )


def _frames_of(frames: np.ndarray, instances: np.ndarray, video: int | None) -> tuple[np.ndarray, np.ndarray]:
    """The video's frames in order, and the instances' rows frame by frame."""
    videos = np.unique(frames["video"])
    if video is None and len(videos) > 1:
        raise DataError(
            f"it holds poses of {len(videos)} videos ({', '.join(map(str, videos))}), and one is read"
        )
    if video is not None:
        frames = frames[frames["video"] == video]
    frames = frames[np.argsort(frames["frame_idx"], kind="stable")]
    return frames, rows_of(frames, len(instances))


def _skeleton(metadata: dict[str, Any], instances: np.ndarray) -> Skeleton:
    used = np.unique(instances["skeleton"])
    if len(used) > 1:
        raise DataError(f"it holds poses of {len(used)} skeletons, and one is read")
    return from_graph(metadata["skeletons"][int(used[0]) if len(used) else 0], metadata["nodes"])


def _poses(file: "h5py.File", rows: np.ndarray, frame: np.ndarray, skeleton: Skeleton, shift: float) -> Poses:
    n_keypoints = len(skeleton.keypoints)
    xy = np.full((len(rows), n_keypoints, 2), np.nan, np.float32)
    confidence = np.full((len(rows), n_keypoints), np.nan, np.float32)
    score = rows["score"].copy()
    for kind, name, dtype in ((USER, "points", POINT), (PREDICTED, "pred_points", PREDICTED_POINT)):
        mine = rows["instance_type"] == kind
        points = points_of(load_table(file, name, dtype), rows[mine], n_keypoints)
        with np.errstate(over="ignore", invalid="ignore"):  # beyond float32 is infinite, no error
            found = np.stack([points["x"], points["y"]], axis=-1) - shift
            xy[mine] = np.where(points["visible"][..., None], found, np.nan)
            confidence[mine] = (
                points["score"] if kind == PREDICTED else np.where(points["visible"], 1, np.nan)
            )
    score[rows["instance_type"] == USER] = 1
    columns = {"track": rows["track"], "identity_score": rows["tracking_score"], "score": score}
    return Poses(skeleton, frame=frame, xy=xy, confidence=confidence, **columns)


def _video_path(file: "h5py.File", frames: np.ndarray) -> str | None:
    videos = texts(file, "videos_json")
    number = int(frames["video"][0]) if len(frames) else 0
    if number >= len(videos):
        return None
    video = json.loads(videos[number])
    name: str | None = video["backend"].get("filename") or video.get("filename")
    return name


FORMAT = Format(
    name="slp",
    suffix=".slp",
    named="{result}.predictions.slp",
    write=write,
    read=read,
    loses=frozenset({"individual", "individuals", "unique"}),  # individuals come back as tracks
)
