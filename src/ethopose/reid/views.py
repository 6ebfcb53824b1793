"""What a network of looks is shown of the rows of a result."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice

import numpy as np
from jaxtyping import Bool, Float16, Float32, Int64

from ethopose.core import ModelError, UsageError
from ethopose.media import Video
from ethopose.reid.body import learn_body
from ethopose.reid.crops import TALL, WIDE, crops
from ethopose.reid.learning import Views
from ethopose.reid.samples import Samples
from ethopose.reid.spec import CropSpec, KeypointSpec, Kind, Spec
from ethopose.store import Part, Result
from ethopose.track import Rows, rows_of

KEYPOINTS = "keypoints"  # kind of the vectors that a prediction keeps
PARTS = 16  # of a result, from which the usual pose is learned
Progress = Callable[[str, int, int], None]


def spec_of(kind: Kind, source: Result, video: Callable[[], Video]) -> Spec:
    """What a network is to look at in a result. Raises `UsageError` where it is not there."""
    names = own_keypoints(source)
    crop = keypoints = None
    if kind != "crop":
        size = _size(source)
        keypoints = KeypointSpec(number=len(names), size=size, digest=source.manifest.model.digest)
    if kind != "keypoints":
        step = max(len(source.manifest.parts) // PARTS, 1)
        body = learn_body(rows.xy for rows in islice(rows_of(source), 0, None, step))
        places = ((x, y) if np.isfinite(x + y) else None for x, y in body.pose.tolist())
        channels = 1 if video().gray else 3
        crop = CropSpec(pose=tuple(places), length=body.length, channels=channels, tall=TALL, wide=WIDE)
    return Spec(skeleton=names, crop=crop, keypoints=keypoints)


def own_keypoints(source: Result) -> tuple[str, ...]:
    """Those that belong to animals."""
    return tuple(name for name in source.skeleton.keypoints if name not in source.skeleton.unique)


def _size(source: Result) -> int:
    """Numbers a keypoint of the vectors that the prediction kept."""
    if KEYPOINTS not in source.manifest.features:
        what = "no vectors of the keypoints were kept when poses were predicted"
        fix = "ethopose predict --features default keeps them; --appearance crop looks at the video"
        raise UsageError(what, where=source.path, fix=fix)
    return source.manifest.features[KEYPOINTS] // len(source.skeleton.keypoints)


@dataclass(frozen=True, slots=True)
class Sight:
    """A result, as a network sees it."""

    spec: Spec
    source: Result
    video: Callable[[], Video]

    def check(self) -> None:
        """Raises `ModelError` where the network was made for other results, `VideoError` where it looks at
        a video that is not there."""
        if (names := own_keypoints(self.source)) != self.spec.skeleton:
            there, here = ", ".join(self.spec.skeleton), ", ".join(names)
            what = f"the network of looks was made for the keypoints {there}; here are {here}"
            raise ModelError(what, where=self.source.path)
        if self.spec.crop is not None:
            self.video()
        if (told := self.spec.keypoints) is None:
            return
        made = self.source.manifest.model
        if told.digest != made.digest or told.size != _size(self.source):
            what = f"the network of looks was made for the vectors of another pose model than {made.name}"
            raise ModelError(
                what, where=self.source.path, fix="predict with that one, or train a new network"
            )

    def clear(self, rows: Rows) -> Bool[np.ndarray, "instance"]:
        """Which of all rows of some frames show one animal well."""
        if self.spec.crop is None:
            return np.asarray(np.isfinite(rows.xy).all(-1).any(-1))
        return self.spec.crop.body.clear(rows.frame, rows.xy)

    def of_samples(self, samples: Samples, progress: Progress | None = None) -> Views:
        """What is seen of each sample."""
        views: dict[str, np.ndarray] = {}
        if (told := self.spec.keypoints) is not None:
            views["keypoints"] = self._sampled_keypoints(samples, told)
        if self.spec.crop is not None:
            views["crop"] = np.zeros((len(samples), TALL, WIDE, self.spec.crop.channels), np.uint8)
            for rows, cut in self._crops(samples.frame, samples.xy):
                views["crop"][rows] = cut
                if progress and len(rows):
                    progress("looking", int(rows[-1]) + 1, len(samples))
        return views

    def of_part(self, part: Part) -> Iterator[tuple[Int64[np.ndarray, "some"], Views]]:
        """What is seen of the rows of a part that show an animal well, some rows at a time."""
        poses, keypoints = part.poses, None
        if (told := self.spec.keypoints) is not None:
            keypoints = self._keypoints(part, told)
        xy = poses.xy[:, self._own]
        if self.spec.crop is None and keypoints is not None:
            rows = np.flatnonzero(np.isfinite(keypoints).all(-1).any(1))
            yield rows, {"keypoints": keypoints[rows]}
            return
        for rows, cut in self._crops(poses.frame, xy):
            yield rows, {"crop": cut} if keypoints is None else {"crop": cut, "keypoints": keypoints[rows]}

    @property
    def _own(self) -> list[int]:
        return [self.source.skeleton.keypoints.index(name) for name in self.spec.skeleton]

    def _crops(
        self, frame: Int64[np.ndarray, "row"], xy: Float32[np.ndarray, "row keypoint 2"]
    ) -> Iterator[tuple[Int64[np.ndarray, "some"], np.ndarray]]:
        assert self.spec.crop is not None
        origin = np.float32(self.source.manifest.pixel_origin)
        gray = self.spec.crop.channels == 1
        return crops(self.video(), self.spec.crop.body, frame, xy - origin, gray=gray)

    def _keypoints(self, part: Part, told: KeypointSpec) -> Float16[np.ndarray, "row keypoint size"]:
        vectors = self.source.features(part, [KEYPOINTS])[KEYPOINTS]
        return vectors.reshape(len(vectors), -1, told.size)[:, self._own]

    def _sampled_keypoints(
        self, samples: Samples, told: KeypointSpec
    ) -> Float16[np.ndarray, "sample keypoint size"]:
        found, begun = [np.empty((0, told.number, told.size), np.float16)], 0
        for part in self.source:
            end = begun + len(part.poses)
            low, high = np.searchsorted(samples.row, [begun, end])
            if high > low:
                found.append(self._keypoints(part, told)[samples.row[low:high] - begun])
            begun = end
        return np.concatenate(found)
