"""The labels in SLEAP's `.slp` and `.pkg.slp`: what people placed, in all videos of a file.

Centres of pixels lie at whole numbers, as in ethopose; files before format 1.1 put them at halves, and 0.5
is taken off. A point with a place that is not `visible` is occluded. Tracks of placed animals name
individuals. Frames that hold predictions only are no labels.
"""

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ethopose.core import DataError, Image, Labels, Skeleton
from ethopose.formats.format import reading
from ethopose.formats.hdf5 import plain_dataset
from ethopose.formats.label_images import Placed, find_file, make_labels, plain_path
from ethopose.formats.label_joining import merge_images
from ethopose.formats.slp_skeleton import from_graph
from ethopose.formats.slp_tables import (
    FRAME,
    INSTANCE,
    POINT,
    USER,
    lengths_of,
    load_table,
    points_of,
    rows_of,
    texts,
)

if TYPE_CHECKING:
    import h5py


def recognises(path: Path) -> bool:
    """Whether a path is such a file."""
    return path.suffix == ".slp" and path.is_file()


def read(path: Path) -> Labels:
    """The instances that people placed, in the order of videos and frames.

    Raises:
        FormatError: not a `.slp` file, damaged, newer than 2.x, or with several skeletons.
    """
    import h5py

    with reading(path, "slp"), h5py.File(path, "r") as file:
        version = float(file["metadata"].attrs.get("format_id", 1.0))
        if not 1 <= version < 3:
            raise DataError(f"format {version:g}; formats 1.0 to 2.x can be read")
        frames, instances = load_table(file, "frames", FRAME), load_table(file, "instances", INSTANCE)
        frames = frames[np.lexsort((frames["frame_idx"], frames["video"]))]
        rows = instances[rows_of(frames, len(instances))]
        image = np.repeat(np.arange(len(frames)), lengths_of(frames))
        placed = rows["instance_type"] == USER
        rows, image = rows[placed], image[placed]
        labelled, image = np.unique(image, return_inverse=True)
        skeleton = _skeleton(json.loads(file["metadata"].attrs["json"]), rows)
        points = points_of(load_table(file, "points", POINT), rows, len(skeleton.keypoints))
        xy = np.stack([points["x"], points["y"]], axis=-1) - (0.5 if version < 1.1 else 0.0)
        names, individual = _individuals(file, rows["track"])
        videos = [_video(file, path, json.loads(text)) for text in texts(file, "videos_json")]
        images = [videos[frame["video"]].image(int(frame["frame_idx"])) for frame in frames[labelled]]
        animals = Placed(image, xy, individual, occluded=~points["visible"])
        return merge_images(make_labels(images, replace(skeleton, individuals=names), animals))


def _skeleton(metadata: dict[str, Any], rows: np.ndarray) -> Skeleton:
    used = np.unique(rows["skeleton"]).tolist() or [0]
    skeletons = [from_graph(metadata["skeletons"][index], metadata["nodes"]) for index in used]
    if len({skeleton.keypoints for skeleton in skeletons}) > 1:
        raise DataError(f"animals are labelled in {len(skeletons)} different skeletons, and one is read")
    return skeletons[0]


def _individuals(file: "h5py.File", track: np.ndarray) -> tuple[tuple[str, ...], np.ndarray]:
    """Names of the tracks in use, and each instance's place among them (-1: none)."""
    tracks = [str(json.loads(text)[1]) for text in texts(file, "tracks_json")]
    if len(track) and not -1 <= track.min() <= track.max() < len(tracks):
        raise DataError(f"instances speak of tracks beyond the {len(tracks)} there are")
    names = tuple(dict.fromkeys(tracks[number] for number in np.unique(track[track >= 0])))
    return names, np.array([names.index(tracks[number]) if number >= 0 else -1 for number in track], np.int64)


@dataclass(frozen=True, slots=True)
class _Video:
    """Where the pictures of a video are."""

    path: Path
    name: str
    files: tuple[Path, ...] = ()  # one an image, where the video is a list of images
    package: Path | None = None  # the HDF5 file that embeds pictures
    dataset: str = ""
    embedded: dict[int, int] | None = None  # frame -> row of the dataset

    def image(self, frame: int) -> Image:
        """The picture of a frame; one that the package does not embed is looked for in the video."""
        if self.embedded and frame in self.embedded:
            return Image(self.package or self.path, self.embedded[frame], self.dataset, self.name)
        if self.files:
            return Image(self.files[frame], video=self.name)
        return Image(self.path, frame, video=self.name)


def _video(file: "h5py.File", path: Path, told: dict[str, Any]) -> _Video:
    backend = told.get("backend") or {}
    filename = backend.get("filenames") or told.get("filename") or backend.get("filename") or "."
    if isinstance(filename, list):
        files = tuple(find_file(str(name), [path.parent]) for name in filename)
        return _Video(path, files[0].parent.name if files else "", files)
    dataset = str(backend.get("dataset") or "")
    if not dataset:
        return _Video(find_file(filename, [path.parent]), plain_path(filename).stem)
    if dataset in file:  # "." names this file, and so does the name that it had when it was written
        source = _source(file, dataset) or told.get("source_video") or {}
        embedded = _embedded(file, dataset)
        package = path
    else:
        import h5py

        source, package = told.get("source_video") or {}, find_file(filename, [path.parent])
        embedded = None
        if package.is_file():
            with h5py.File(package, "r") as other:
                embedded = _embedded(other, dataset)
    name = str(source.get("filename") or (source.get("backend") or {}).get("filename") or filename)
    video = find_file(name, [path.parent])
    return _Video(video, plain_path(name).stem, package=package, dataset=dataset, embedded=embedded)


def _source(file: "h5py.File", dataset: str) -> dict[str, Any] | None:
    group = file.get(f"{dataset.rpartition('/')[0]}/source_video")
    return json.loads(group.attrs["json"]) if group is not None and "json" in group.attrs else None


def _embedded(file: "h5py.File", dataset: str) -> dict[int, int]:
    group = file[dataset].parent
    if "frame_numbers" in group:
        return {int(frame): row for row, frame in enumerate(plain_dataset(group, "frame_numbers")[:])}
    return {row: row for row in range(len(file[dataset]))}
