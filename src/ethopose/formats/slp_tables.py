"""The tables of a `.slp` file and how they are read: every claim of a damaged or hostile file is checked."""

from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Int64

from ethopose.core import DataError
from ethopose.formats.hdf5 import plain_dataset

if TYPE_CHECKING:
    import h5py

FRAME = np.dtype(
    [
        ("frame_id", "u8"),
        ("video", "u4"),
        ("frame_idx", "u8"),
        ("instance_id_start", "u8"),
        ("instance_id_end", "u8"),
    ]
)
INSTANCE = np.dtype(
    [
        ("instance_id", "i8"),
        ("instance_type", "u1"),
        ("frame_id", "u8"),
        ("skeleton", "u4"),
        ("track", "i4"),
        ("from_predicted", "i8"),
        ("score", "f4"),
        ("point_id_start", "u8"),
        ("point_id_end", "u8"),
        ("tracking_score", "f4"),
    ]
)
POINT = np.dtype([("x", "f8"), ("y", "f8"), ("visible", "?"), ("complete", "?")])
PREDICTED_POINT = np.dtype([*POINT.descr, ("score", "f8")])
USER, PREDICTED = 0, 1


def load_table(file: "h5py.File", name: str, dtype: np.dtype[Any]) -> np.ndarray[Any, Any]:
    """A table with the fields wanted; `tracking_score`, which old files lack, is NaN then."""
    dataset = plain_dataset(file, name)
    missing = set(dtype.names or ()) - set(dataset.dtype.names or ())
    if missing - {"tracking_score"}:
        raise DataError(f"{name} lacks {', '.join(sorted(missing))}")
    stored, table = dataset[:], np.zeros(len(dataset), dtype)
    for field in dtype.names or ():
        if field in missing:
            table[field] = np.nan
        elif stored.dtype[field].kind in ("biu" if dtype[field].kind in "biu" else "biuf"):
            with np.errstate(over="ignore", invalid="ignore"):  # beyond float32 is infinite, no error
                table[field] = stored[field]
        else:
            raise DataError(f"{name}.{field} is {stored.dtype[field]}")
    return table


def texts(file: "h5py.File", name: str) -> list[bytes]:
    """The strings of a list of JSON texts."""
    import h5py

    dataset = plain_dataset(file, name)
    if len(dataset) and h5py.check_string_dtype(dataset.dtype) is None:  # old files write "none" as numbers
        raise DataError(f"{name} is {dataset.dtype}, not text")
    return list(dataset[:])


def lengths_of(frames: np.ndarray) -> Int64[np.ndarray, "frame"]:
    """Instances in each frame; negative where a hostile file ends before it starts."""
    start, end = (frames[f"instance_id_{side}"].astype(np.int64) for side in ("start", "end"))
    return np.subtract(end, start, dtype=np.int64)


def points_of(points: np.ndarray, rows: np.ndarray, n_keypoints: int) -> np.ndarray[Any, Any]:
    """The points of each instance, (instance, keypoint)."""
    start, end = rows["point_id_start"], rows["point_id_end"]
    if np.any(end > len(points)) or np.any(start > end) or np.any(end - start != n_keypoints):
        raise DataError("instances speak of points that are not there")
    found: np.ndarray[Any, Any] = points[start.astype(np.int64)[:, None] + np.arange(n_keypoints)]
    return found


def rows_of(frames: np.ndarray, n_instances: int) -> Int64[np.ndarray, "instance"]:
    """The rows of the instances of these frames, frame by frame. Raises DataError where they overlap."""
    if np.any(frames["instance_id_end"] > n_instances) or np.any(
        frames["frame_idx"] > np.iinfo(np.int64).max
    ):
        raise DataError("frames speak of instances that are not there")
    lengths = lengths_of(frames)
    if lengths.min(initial=0) < 0 or lengths.sum() > n_instances:
        raise DataError("frames share instances")
    ends = np.cumsum(lengths)
    within = np.arange(lengths.sum()) - np.repeat(ends - lengths, lengths)
    return np.asarray(np.repeat(frames["instance_id_start"].astype(np.int64), lengths) + within)
