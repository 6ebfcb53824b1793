"""DeepLabCut's tracklets (`_el.pickle`, `_bx.pickle`, `_sk.pickle`): stretches of animals, read only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32

from ethopose.core import DataError
from ethopose.formats.careful_pickle import Standin, check_size, mapping, numbers
from ethopose.formats.dlc_cells import ABSENT, UNIQUE, pose_file
from ethopose.formats.format import Format, PoseFile, reading

_PACKED = 1000  # a tracklet that lasts for one frame of a long video is padded to all of them


def read(path: Path) -> PoseFile:
    """Read stretches of animals that were followed; each is a track. Raises `FormatError`."""
    with reading(path, "dlc-tracklets"):
        content = path.read_bytes()
        data = mapping(content, "header")
        names = _header(data["header"])
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
                animals[row[_frame(key)], place] = numbers([array], 2, content)[0][:, :3]
        both, tracks = (names[:n_keypoints], names[n_keypoints:]), tuple(map(str, tracklets))
        return pose_file(both, np.array(frames, np.int64), animals, unique, tracks=tracks)


def _frame(key: str) -> int:
    return int(key.removeprefix("frame"))


def _header(header: Any) -> tuple[str, ...]:
    """Names of the keypoints, unique ones last, of an index of pandas: scorer, bodyparts, coords."""
    told = header.args[1] if isinstance(header, Standin) and len(header.args) == 2 else {}
    if len(told.get("levels", ())) != 3:
        raise DataError("its header is no index of three levels")
    names = [str(name) for name in told["levels"][1].args[1]["data"]]
    return tuple(dict.fromkeys(names[code] for code in np.asarray(told["codes"][1]).tolist()))


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


FORMAT = Format(name="dlc-tracklets", suffix=".pickle", named="{video}{model}_el.pickle", read=read)
