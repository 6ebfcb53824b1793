"""DeepLabCut's tracklets (`_el.pickle`, `_bx.pickle`, `_sk.pickle`): stretches of animals, read only.

DeepLabCut makes tracks of them, which `ethopose track` does in its own way.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32

from ethopose.core import DataError, Skeleton
from ethopose.formats.careful_pickle import Standin, check_size, mapping, numbers
from ethopose.formats.dlc_cells import ABSENT, pose_file
from ethopose.formats.format import Format, PoseFile, reading

_PACKED = 1000  # a tracklet that lasts for one frame of a long video is padded to all of them


def read(path: Path) -> PoseFile:
    """Read stretches of animals that were followed; each is a track. Raises `FormatError`."""
    with reading(path, "dlc-tracklets"):
        content = path.read_bytes()
        data = mapping(content, "header")
        names = _header(data["header"])
        tracklets = {key: value for key, value in data.items() if key not in ("header", "single")}
        told = {_frame(key) for tracklet in tracklets.values() for key in tracklet}
        frames = sorted(told | set(data.get("single", {})))
        unique = single(data.get("single", {}), frames)
        n_keypoints = len(names) - (0 if unique is None else unique.shape[1])
        check_size(len(frames) * len(tracklets) * n_keypoints * 12, content, packed=_PACKED)
        animals = np.full((len(frames), len(tracklets), n_keypoints, 3), np.nan, np.float32)
        row = {frame: index for index, frame in enumerate(frames)}
        for place, tracklet in enumerate(tracklets.values()):
            for key, array in tracklet.items():
                animals[row[_frame(key)], place] = numbers(array, 2)[:, :3]
        skeleton = Skeleton(names[:n_keypoints], unique=names[n_keypoints:])
        tracks = tuple(map(str, tracklets))
        return pose_file(skeleton, np.array(frames, np.int64), animals, tracks=tracks, unique=unique)


def _frame(key: str) -> int:
    return int(key.removeprefix("frame"))


def _header(header: Any) -> tuple[str, ...]:
    """Names of the keypoints, unique ones last, of an index of pandas: scorer, bodyparts, coords."""
    told = header.args[1] if isinstance(header, Standin) and len(header.args) == 2 else {}
    if len(told.get("levels", ())) != 3:
        raise DataError("its header is no index of three levels")
    names = [str(name) for name in told["levels"][1].args[1]["data"]]
    return tuple(dict.fromkeys(names[code] for code in np.asarray(told["codes"][1]).tolist()))


def single(data: Mapping[int, Any], frames: Sequence[int]) -> Float32[np.ndarray, "frame unique 3"] | None:
    """Unique keypoints frame by frame, which DeepLabCut files under `single`; None: the model has none."""
    if not data:
        return None
    absent = np.full(numbers(next(iter(data.values())), 2).shape, ABSENT, np.float32)
    return np.stack([numbers(data.get(frame, absent), 2)[:, :3] for frame in frames])


def nameless(kind: str, n: int) -> tuple[str, ...]:
    """Names for keypoints that a file tells no names of."""
    return tuple(f"{kind}{number + 1}" for number in range(n))


FORMAT = Format(name="dlc-tracklets", suffix=".pickle", named="{video}{model}_el.pickle", read=read)
