"""DeepLabCut's pickles: every keypoint (`_full`), animals (`_assemblies`), the run (`_meta`).

Read by an unpickler that executes nothing; written piece by piece, of arrays and plain values only: paths and
words that DeepLabCut pickles as objects of its own are texts, so that the files open without it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32, Float64

from ethopose.core import DataError, Skeleton, no_poses
from ethopose.formats.careful_pickle import check_size, mapping, numbers
from ethopose.formats.dlc_cells import (
    ABSENT,
    UNIQUE,
    Cells,
    Layout,
    cells,
    cells_of,
    cropping_of,
    facts_of,
    layout_of,
    pose_file,
)
from ethopose.formats.dlc_peaks import Edges, detections, edges_of, graph_of
from ethopose.formats.dlc_tracklets import key_width, nameless, single
from ethopose.formats.format import Format, PoseFile, reading
from ethopose.formats.pickle_stream import PickleStream
from ethopose.store import Result, replacing

_FRAME = "frame"


def write_full(result: Result, path: Path) -> None:
    """Write every keypoint of every frame. Raises `ResultError`."""
    layout = layout_of(result)
    metadata = _metadata(result, layout)
    with replacing(path) as file:
        stream = PickleStream(file)
        stream.add({"metadata": metadata})
        for numbers, told in _told(result, layout, metadata["PAFinds"]):
            names = [f"{_FRAME}{number:0{metadata['key_str_width']}d}" for number in numbers.tolist()]
            stream.add(dict(zip(names, told, strict=True)))
        stream.close()


def _told(
    result: Result, layout: Layout, kept: Sequence[int]
) -> Iterator[tuple[np.ndarray, Sequence[dict[str, Any]]]]:
    """Part by part, numbers of frames and what is told of each: animals, or what they were made of."""
    if edges_of(result) is None:
        for part in cells(result, layout):
            yield part.frame, [_detections(part, index) for index in range(len(part.frame))]
        return
    names, corner = (layout.keypoints, layout.skeleton.individuals), np.array(layout.corner, np.float32)
    for whole in result:
        unique = cells_of(whole, layout).unique[:, :, None]
        told = detections(result, whole, names, kept, corner)
        for frame, points in zip(told, unique, strict=True):
            frame["coordinates"][0].extend(points[..., :2].copy())
            frame["confidence"].extend(points[..., 2:].copy())
            if "identity" in frame:
                frame["identity"].extend(np.full((len(points), 1, len(names[1])), ABSENT))
        yield whole.frames.frame, told


def write_assemblies(result: Result, path: Path) -> None:
    """Write the animals of every frame. Raises `ResultError`."""
    layout = layout_of(result)
    with replacing(path) as file:
        stream = PickleStream(file)
        stream.open(UNIQUE)
        if layout.unique:
            for part in cells(result, layout):
                stream.add(dict(zip(part.frame.tolist(), part.unique, strict=True)))
        stream.shut()
        for part in cells(result, layout):
            stream.add(dict(zip(part.frame.tolist(), map(_animals, *_by_frame(part)), strict=True)))
        stream.close()


def write_meta(result: Result, path: Path) -> None:
    """Write what is known of the run. Raises `ResultError`."""
    layout, manifest, facts = layout_of(result), result.manifest, facts_of(result)
    width, height = int(str(result.video.get("width", 0))), int(str(result.video.get("height", 0)))
    cropping = cropping_of(result)
    left, right, top, bottom = cropping or (0, width, 0, height)
    start, seconds = _began(manifest.provenance), manifest.provenance.get("runtime_sec")
    duration = float(seconds) if isinstance(seconds, int | float) else 0.0
    data = {
        "start": start,
        "stop": start + duration,
        "run_duration": duration,
        "Scorer": layout.scorer,
        "pytorch-config": facts.get("config") or {},
        "fps": round(float(str(result.video.get("fps") or 0)), 2),
        "batch_size": manifest.batch,
        "frame_dimensions": (right - left, bottom - top),
        "nframes": manifest.n_done,
        "iteration (active-learning)": facts.get("iteration"),
        "training set fraction": facts.get("training_fraction"),
        "cropping": cropping is not None,
        "cropping_parameters": [left, right, top, bottom],
        "individuals": list(layout.individuals),
        "bodyparts": list(layout.keypoints),
        "unique_bodyparts": list(layout.unique),
    }
    with replacing(path) as file:
        stream = PickleStream(file)
        stream.add({"data": data})
        stream.close()


def _metadata(result: Result, layout: Layout) -> dict[str, Any]:
    names = [*layout.keypoints, *layout.unique]
    edges = edges_of(result)
    graph, kept = (
        (None, facts_of(result).get("paf_best", np.arange(0))) if edges is None else _graph(result, edges)
    )
    count = max((last for _, last in result.manifest.frames), default=-1) + 1
    return {
        "nms radius": None,
        "minimal confidence": None,
        "sigma": 1,
        "PAFgraph": graph,
        "PAFinds": kept,
        "all_joints": [[number] for number in range(len(names))],
        "all_joints_names": names,
        "nframes": count,
        "key_str_width": key_width(count),
    }


def _graph(result: Result, edges: Edges) -> tuple[list[list[int]], np.ndarray]:
    graph, kept = graph_of(facts_of(result), edges)
    return [list(edge) for edge in graph], np.array(kept)


def _detections(part: Cells, index: int) -> dict[str, Any]:
    """One frame, keypoint by keypoint; a unique keypoint has one row."""
    animals, unique = part.animals[index].swapaxes(0, 1), part.unique[index][:, None]
    told: dict[str, Any] = {
        "coordinates": ([*animals[..., :2].copy(), *unique[..., :2].copy()],),
        "confidence": [*animals[..., 2:].copy(), *unique[..., 2:].copy()],
        "costs": None,
    }
    if part.boxes is not None:
        told["bboxes"] = part.boxes[index, :, :4].copy()
        if not np.isnan(part.boxes[..., 4]).any():  # those around conditions have none
            told["bbox_scores"] = part.boxes[index, :, 4].copy()
    if part.identity is not None:
        scores = part.identity[index].swapaxes(0, 1).astype(np.float64)
        told["identity"] = [*scores.copy(), *np.full((len(unique), *scores.shape[1:]), ABSENT)]
    return told


def _by_frame(part: Cells) -> tuple[Sequence[np.ndarray], Sequence[np.ndarray | None]]:
    return list(part.animals), [None] * len(part.frame) if part.identity is None else list(part.identity)


def _animals(
    animals: Float32[np.ndarray, "individual keypoint 3"],
    identity: Float32[np.ndarray, "individual keypoint individual"] | None,
) -> Float64[np.ndarray, "individual keypoint 4"]:
    """Those who are there, each keypoint with the individual that it looks most like, -1 where none tells."""
    likeness = np.full(animals.shape[:2], ABSENT) if identity is None else np.argmax(identity, axis=2)
    told = np.concatenate([animals.astype(np.float64), likeness[..., None]], axis=2)
    return np.asarray(told[~np.all(told < 0, axis=(1, 2))])


def _began(provenance: Mapping[str, object]) -> float:
    try:
        return datetime.fromisoformat(str(provenance.get("timestamp_start"))).timestamp()
    except ValueError:
        return 0.0


def read_full(path: Path) -> PoseFile:
    """Read every keypoint of every frame. Raises `FormatError`."""
    with reading(path, "dlc-full"):
        content = path.read_bytes()
        data = mapping(content, "metadata")
        names = tuple(map(str, data["metadata"]["all_joints_names"]))
        numbered = sorted((int(key.removeprefix(_FRAME)), key) for key in data if key != "metadata")
        told = [data[key] for _, key in numbered]
        joints = _joints(told, len(names), content)
        sizes = [[len(joint) for joint in frame] for frame in joints]
        apart = max(map(_n_unique, sizes), default=0)
        keypoints, unique = names[: len(names) - apart], names[len(names) - apart :]
        if any(len(set(size[: len(keypoints)])) > 1 for size in sizes):
            raise DataError("it holds detections that are not put together; _assemblies.pickle has animals")
        most = max((size[0] for size in sizes), default=0)
        check_size(len(joints) * most * len(names) * 12, content)
        animals = np.full((len(joints), most, len(keypoints), 3), ABSENT, np.float32)
        others = np.full((len(joints), apart, 3), ABSENT, np.float32)
        for index, frame in enumerate(joints):
            animals[index, : sizes[index][0]] = np.stack(frame[: len(keypoints)], axis=1)
            others[index] = np.array([joint[0] for joint in frame[len(keypoints) :]]).reshape(apart, 3)
        frames = np.array([number for number, _ in numbered], np.int64)
        return pose_file((keypoints, unique), frames, animals, others)


def _joints(frames: Sequence[Mapping[str, Any]], n_keypoints: int, content: bytes) -> list[list[np.ndarray]]:
    """The rows (x, y, confidence) of each keypoint of each frame."""
    told = [(frame["coordinates"][0], frame["confidence"]) for frame in frames]
    if any(len(each) != n_keypoints for both in told for each in both):
        raise DataError(f"{n_keypoints} keypoints are named, and a frame tells of others")
    xy, score = (numbers([joint for both in told for joint in both[side]], 2, content) for side in (0, 1))
    points = [np.concatenate(pair, axis=1) for pair in zip(xy, score, strict=True)]
    return [points[start : start + n_keypoints] for start in range(0, len(points), n_keypoints)]


def _n_unique(lengths: Sequence[int]) -> int:
    """How many keypoints at the end have one row where the others have more."""
    several = [index for index, length in enumerate(lengths) if length != 1]
    return len(lengths) - 1 - several[-1] if several else 0


def read_assemblies(path: Path) -> PoseFile:
    """Read the animals of every frame; keypoints have no names there. Raises `FormatError`."""
    with reading(path, "dlc-assemblies"):
        content = path.read_bytes()
        data = mapping(content)
        frames = sorted(key for key in data if key != UNIQUE)
        told = [data[key] for key in frames]  # arrays, or lists of animals, as DeepLabCut 2 wrote them
        counts = list(map(len, told))
        check_size(sum(counts), content)
        found = numbers([animal for each in told for animal in each], 2, content)
        shapes = {array.shape for array in found}
        shapes |= {each.shape[1:] for each in told if isinstance(each, np.ndarray) and each.ndim == 3}
        if len(shapes) > 1 or any(depth != 4 for _, depth in shapes):
            raise DataError("frames differ in the number of keypoints")
        n_keypoints = next(iter(shapes))[0] if shapes else 1
        most = max(counts, default=0)
        check_size(len(frames) * most * n_keypoints * 12, content)
        animals = np.full((len(frames), most, n_keypoints, 3), ABSENT, np.float32)
        if found:
            there = np.arange(most) < np.array(counts)[:, None]
            animals[there] = np.stack(found)[..., :3]
        unique = single(data.get(UNIQUE, {}), frames, content)
        names = nameless("keypoint", n_keypoints), nameless("unique", unique.shape[1])
        return pose_file(names, np.array(frames, np.int64), animals, unique)


def read_meta(path: Path) -> PoseFile:
    """Read which keypoints and frames a run was of; it holds no poses. Raises `FormatError`."""
    with reading(path, "dlc-meta"):
        data = mapping(path.read_bytes(), "data")["data"]
        if "nframes" not in data:
            raise DataError("it tells of no video")
        of_two = data.get("DLC-model-config file") or {}  # where unique ones are not told apart
        keypoints = tuple(map(str, data.get("bodyparts") or of_two.get("all_joints_names", ())))
        if not keypoints:
            raise DataError("it names no keypoints")
        unique = tuple(map(str, data.get("unique_bodyparts", ())))
        count = int(data["nframes"])
        if not 0 <= count < 2**31:
            raise DataError(f"{count} frames")
        return PoseFile(no_poses(Skeleton((*keypoints, *unique), unique=unique)), np.arange(count))


_LOST = frozenset(
    {"score", "track", "individual", "identity_score", "order"}
    | {"edges", "symmetries", "individuals", "unique", "name", "tracks", "video"}
)
_NO_POSES = frozenset({"frame", "xy", "confidence", "frames"})

FULL, META, ASSEMBLIES = (
    Format(
        name=f"dlc-{kind}",
        suffix=f"_{kind}.pickle",
        named=f"{{video}}{{model}}_{kind}.pickle",
        read=read,
        write=write,
        loses=_LOST | more,
        before_tracks=True,
    )
    for kind, read, write, more in (
        ("full", read_full, write_full, set()),
        ("meta", read_meta, write_meta, _NO_POSES),
        ("assemblies", read_assemblies, write_assemblies, {"keypoints"}),
    )
)
