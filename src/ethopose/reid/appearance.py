"""Looks learned from a video on its own, to track it by."""

from __future__ import annotations

import hashlib
import json
import math
import tempfile
import time
from collections.abc import Callable
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float16

from ethopose.media import Video
from ethopose.reid.model import read_network, read_spec, write_network
from ethopose.reid.samples import Pieced, sampled
from ethopose.reid.spec import Kind
from ethopose.store import TEMPORARY, Part, Result, make_folder, read, remove_folder, replacing, video_of
from ethopose.track import DiskSpool, Vectors, in_pieces, rows_of

if TYPE_CHECKING:
    from ethopose.reid.learning import Lesson
    from ethopose.reid.networks import LooksNet
    from ethopose.reid.views import Sight

FOLDER, VECTORS, TOLD = "appearance", "vectors", "learned.json"
SIZE = 16  # numbers of a vector
SEED = 0
Progress = Callable[[str, int, int], None]


class LearnedLooks:
    """Appearance for `track_result`: a network is trained on pieces of the video's own tracklets, and makes a
    vector of every row that shows an animal well, where it tells pieces apart that were held out."""

    size = SIZE

    def __init__(self, kind: Kind, source: Result, moved: Path | str | None) -> None:
        self.kind: str = kind
        self._kind, self._source, self._moved = kind, source, moved

    @cached_property
    def video(self) -> Video:
        """Of the result. Raises `VideoError`."""
        return video_of(self._source, self._moved)

    def learn(self, folder: Path, progress: Progress | None) -> Vectors:
        """The vectors. What is learned lies in the result's folder, and is found there again."""
        from ethopose.reid.views import Sight

        home, identity = folder / FOLDER, _identity(folder, self._source)
        told = _told(home)
        if told.get("of") != identity:
            remove_folder(home)
            told = self._train(home, identity, progress)
        apart: float | None = told["told_apart"]
        notes = {
            "told_apart": apart,
            "appearance": {name: each for name, each in told.items() if name != "of"},
        }
        if apart is None or not told["used"]:
            return Vectors(_nothing, math.nan, notes)
        spec = read_spec(home)
        sight = Sight(spec, self._source, lambda: self.video)
        make_folder(home / VECTORS)
        self._embed_all(home, sight, progress)
        return Vectors(lambda part: np.asarray(np.load(_file(home, part))), apart, notes)

    def _train(self, home: Path, identity: str, progress: Progress | None) -> dict[str, Any]:
        from ethopose.reid.learning import learn
        from ethopose.reid.views import Sight, spec_of

        began = time.perf_counter()
        spec = spec_of(self._kind, self._source, lambda: self.video)
        lesson = lesson_of(Sight(spec, self._source, lambda: self.video), home.parent, progress)
        learned = learn(spec, [lesson], SEED, progress)
        write_network(home, spec, learned)
        told = {
            "of": identity,
            "kind": self._kind,
            "used": learned.told.useful,
            "told_apart": _rounded(learned.told.auc),
            "triplets": _rounded(learned.told.triplets),
            "seconds_apart": _rounded(learned.told.frames / lesson.fps),
            "far_apart": learned.told.far,
            "samples": len(lesson.samples),
            "pieces": len(lesson.samples.first),
            "seconds": round(time.perf_counter() - began, 1),
        }
        with replacing(home / TOLD) as file:
            file.write(json.dumps(told, indent=1).encode())
        return told

    def _embed_all(self, home: Path, sight: Sight, progress: Progress | None) -> None:
        """Vectors of all parts that have none yet."""
        network = read_network(home, sight.spec)
        end = self._source.manifest.frames[-1][1] + 1 if self._source.manifest.frames else 0
        for part in self._source:
            if not _file(home, part).exists():
                vectors = embedded(sight, network, part)
                with replacing(_file(home, part)) as file:
                    np.save(file, vectors)
            if progress:
                progress("seeing", int(part.frames.frame[-1]) + 1, end)


def lesson_of(sight: Sight, folder: Path, progress: Progress | None) -> Lesson:
    """What is to be learned of pieces of tracklets; a temporary file lies in `folder` meanwhile."""
    source = sight.source
    end = source.manifest.frames[-1][1] + 1 if source.manifest.frames else 0
    told = None if progress is None else (lambda what, frames: progress(f"pieces: {what}", frames, end))
    with tempfile.TemporaryFile(dir=folder, prefix=TEMPORARY) as file:
        pieced = in_pieces(partial(rows_of, source), DiskSpool(file), told)
        return lesson_from(sight, pieced, progress)


def lesson_from(sight: Sight, pieced: Pieced, progress: Progress | None) -> Lesson:
    """What is to be learned of pieces of a result."""
    from ethopose.reid.learning import Lesson

    frames, fps = sight.source.manifest.frames, sight.source.video.get("fps")
    samples, held = sampled(pieced, sight.clear, frames[-1][1] + 1 if frames else 0, SEED)
    seen, held_seen = (sight.of_samples(some, progress) for some in (samples, held))
    return Lesson(samples, seen, held, held_seen, float(fps) if isinstance(fps, int | float) else 30.0)


def embedded(sight: Sight, network: LooksNet, part: Part) -> Float16[np.ndarray, "row number"]:
    """Vectors of a part's rows; NaN where they do not show an animal well."""
    from ethopose.reid.learning import embed

    vectors = np.full((len(part.poses), sight.spec.dimensions), np.nan, np.float16)
    for rows, views in sight.of_part(part):
        vectors[rows] = embed(network, views)
    return vectors


def tidy(folder: Path) -> None:
    """Remove the vectors that lie beside those of the finished result at `folder`."""
    remove_folder(folder / FOLDER / VECTORS)


def _nothing(part: Part) -> Float16[np.ndarray, "instance number"]:
    return np.full((len(part.poses), SIZE), np.nan, np.float16)


def _identity(folder: Path, source: Result) -> str:
    """Of what a result is made of: what was learned for another one is of no use."""
    manifest = read(folder).manifest.model_dump(mode="json")
    names = ("skeleton", "model", "settings", "frames", "part_frames", "features", "video")
    told = {name: manifest[name] for name in names}
    told["video"].pop("path", None)
    told["parts"] = [part.poses_crc32 for part in source.manifest.parts]
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()


def _told(home: Path) -> dict[str, Any]:
    try:
        told = json.loads((home / TOLD).read_text())
    except (OSError, ValueError):
        return {}
    return told if isinstance(told, dict) else {}


def _file(home: Path, part: Part) -> Path:
    return home / VECTORS / f"{int(part.frames.frame[0]):08d}.npy"


def _rounded(number: float) -> float | None:
    return round(number, 4) if math.isfinite(number) else None
