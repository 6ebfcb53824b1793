"""DeepLabCut's tracklets (`_el.pickle`, `_bx.pickle`, `_sk.pickle`): stretches of animals that were followed.

Each track of a result is a tracklet under its number; animals without a track have no place in these files.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float32, Float64

from ethopose.core import DataError, ResultError, Skeleton
from ethopose.formats.careful_pickle import Standin, check_size, mapping, numbers
from ethopose.formats.dlc_cells import ABSENT, UNIQUE, corner_of, is_animal, is_unique, pose_file
from ethopose.formats.format import Format, PoseFile, reading
from ethopose.formats.pickle_stream import PickleStream
from ethopose.store import Part, Result, replacing

if TYPE_CHECKING:
    import pandas as pd

_FRAME = "frame"
_PACKED = 1000  # a tracklet that lasts for one frame of a long video is padded to all of them


def read(path: Path) -> PoseFile:
    """Read stretches of animals that were followed; each is a track. Raises `FormatError`."""
    with reading(path, "dlc-tracklets"):
        content = path.read_bytes()
        data = mapping(content, "header")
        model, names = _header(data["header"])
        tracklets = {key: value for key, value in data.items() if key not in ("header", UNIQUE)}
        told = {_frame(key) for tracklet in tracklets.values() for key in tracklet}
        frames = sorted(told | set(data.get(UNIQUE, {})))
        unique = single(data.get(UNIQUE, {}), frames, content)
        n_keypoints = len(names) - unique.shape[1]
        check_size(len(frames) * len(tracklets) * n_keypoints * 12, content, packed=_PACKED)
        animals = np.full((len(frames), len(tracklets), n_keypoints, 3), np.nan, np.float32)
        row = {frame: index for index, frame in enumerate(frames)}
        for place, tracklet in enumerate(tracklets.values()):
            for key, array in tracklet.items():
                pose = array.reshape(-1, 3) if array.ndim == 1 else array  # nobody saw it
                animals[row[_frame(key)], place] = numbers([pose], 2, content)[0][:, :3]
        both, tracks = (names[:n_keypoints], names[n_keypoints:]), tuple(map(str, tracklets))
        file = pose_file(both, np.array(frames, np.int64), animals, unique, tracks=tracks)
        return replace(file, model=model)


def _frame(key: str | int) -> int:
    return int(str(key).removeprefix(_FRAME))


def _header(header: Any) -> tuple[str, tuple[str, ...]]:
    """The scorer, and names of the keypoints, unique ones last, of an index of pandas: scorer, bodyparts,
    coords."""
    told = header.args[1] if isinstance(header, Standin) and len(header.args) == 2 else {}
    if len(told.get("levels", ())) != 3:
        raise DataError("its header is no index of three levels")
    scorers, names = ([str(name) for name in level.args[1]["data"]] for level in told["levels"][:2])
    return scorers[0], tuple(dict.fromkeys(names[code] for code in np.asarray(told["codes"][1]).tolist()))


def single(
    data: Mapping[int, Any], frames: Sequence[int], content: bytes
) -> Float32[np.ndarray, "frame unique 3"]:
    """Unique keypoints frame by frame, which DeepLabCut files under `single`."""
    found = dict(zip(data, numbers(list(data.values()), 2, content), strict=True))
    if not found:
        return np.empty((len(frames), 0, 3), np.float32)
    absent = np.full_like(next(iter(found.values())), ABSENT)
    check_size(absent.nbytes * len(frames), content)
    return np.stack([found.get(frame, absent)[:, :3] for frame in frames])


def nameless(kind: str, n: int) -> tuple[str, ...]:
    """Names for keypoints that a file tells no names of."""
    return tuple(f"{kind}{number + 1}" for number in range(n))


def write(result: Result, path: Path) -> None:
    """Write every track as a tracklet, part by part. Raises `ResultError`, also where it was not tracked."""
    if not result.manifest.was_tracked:
        raise ResultError("its animals have no tracks", where=result.path, fix="a result that is tracked")
    skeleton, origin = result.skeleton, np.array(corner_of(result), np.float32)
    width = key_width(max((last for _, last in result.manifest.frames), default=-1) + 1)
    with replacing(path) as file:
        stream = PickleStream(file)
        stream.add({"header": _index(result.manifest.model.name, skeleton)})
        for number in range(len(result.tracks)):
            stream.begin(number, number)
        if skeleton.unique:
            stream.begin(len(result.tracks), UNIQUE)
        for part in result:
            animal = is_animal(part.poses)
            points = _points(part, origin)
            for number in np.unique(part.poses.track[animal & (part.poses.track >= 0)]).tolist():
                rows = animal & (part.poses.track == number)
                names = [f"{_FRAME}{frame:0{width}d}" for frame in part.poses.frame[rows].tolist()]
                stream.add_to(number, dict(zip(names, points[rows][:, ~is_unique(skeleton)], strict=True)))
            if skeleton.unique:
                single = points[~animal][:, is_unique(skeleton), :3]
                frames = part.poses.frame[~animal].tolist()
                stream.add_to(len(result.tracks), dict(zip(frames, single, strict=True)))
        stream.close()


def _points(part: Part, origin: np.ndarray) -> Float64[np.ndarray, "instance keypoint 4"]:
    """x, y (px), confidence, and the individual that a keypoint looks most like, -1 where none is told."""
    poses, likeness = part.poses, np.full(part.poses.confidence.shape, ABSENT)
    for index, keypoint in enumerate(poses.skeleton.keypoints):
        looks = [f"{keypoint}.{name}" for name in poses.skeleton.individuals]
        if looks and set(looks) <= set(part.extra):
            likeness[:, index] = np.argmax([part.extra[name] for name in looks], axis=0)
    return np.concatenate(
        [poses.xy - origin, poses.confidence[..., None], likeness[..., None]], axis=2, dtype=np.float64
    )


def _index(scorer: str, skeleton: Skeleton) -> pd.MultiIndex:
    """The columns of keypoints, unique ones last, in arrays that every pandas unpickles."""
    import pandas as pd

    unique = is_unique(skeleton)
    order = [*np.flatnonzero(~unique), *np.flatnonzero(unique)]
    names = ([scorer], [skeleton.keypoints[index] for index in order], ["x", "y", "likelihood"])
    levels: list[Any] = [pd.Index(level, dtype=object) for level in names]
    n = len(order)
    return pd.MultiIndex(
        levels=levels,
        codes=[[0] * 3 * n, np.repeat(range(n), 3).tolist(), [*range(3)] * n],
        names=["scorer", "bodyparts", "coords"],
    )


def key_width(n_frames: int) -> int:
    """Digits of the keys of frames: ceil(log10(n_frames)) without its rounding."""
    return len(str(n_frames - 1)) if n_frames > 1 else 0


FORMAT = Format(
    name="dlc-tracklets",
    suffix=".pickle",
    named="{video}{model}_el.pickle",
    read=read,
    write=write,
    loses=frozenset(
        {"score", "individual", "identity_score", "order", "untracked"}
        | {"edges", "symmetries", "individuals", "unique", "name", "frames", "tracks", "video"}
    ),
)
