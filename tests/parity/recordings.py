"""The peer's recorded predictions: which command made each, and how far ours are from them."""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path

import numpy as np
from scipy.optimize import linear_sum_assignment

from ethopose.core import Poses
from ethopose.families import Model, load
from ethopose.models.spec import Part, Stage

PEER_THRESHOLD = 0.2  # sleap-nn's default
DOUBT = 1e-3  # a confidence so near to the threshold may fall on either side of it


@dataclass(frozen=True)
class Recording:
    """A command of sleap-nn on one video, and what it found."""

    name: str
    video: Path
    models: tuple[Path, ...]
    options: dict[str, str]
    frames: np.ndarray  # every frame that was looked at
    frame: np.ndarray
    xy: np.ndarray
    confidence: np.ndarray
    score: np.ndarray
    individual: np.ndarray  # the name of each row's, "" for none

    @property
    def thresholds(self) -> tuple[float, float]:
        """Of the first stage and of the second."""
        second = float(self.options.get("--peak_threshold", PEER_THRESHOLD))
        return float(self.options.get("--centroid_peak_threshold", second)), second

    @property
    def limit(self) -> int | None:
        return int(self.options["-n"]) if "-n" in self.options else None

    def model(self) -> Model:
        """The model, with the options of the command that have no option of ours yet in its spec."""
        model = load(self.models)
        refine = self.options.get("--integral_refinement", "integral")
        stages = [
            _with_options(stage, threshold, refine)
            for stage, threshold in zip(model.spec.stages, self.thresholds, strict=False)
        ]
        digest = f"{model.digest}-{refine}"
        return replace(model, spec=model.spec.model_copy(update={"stages": tuple(stages)}), digest=digest)


def _with_options(stage: Stage, threshold: float, refine: str) -> Stage:
    maps, *others = stage.network.heads
    maps = Part(name=maps.name, options={**maps.options, "refinement": refine})
    network = stage.network.model_copy(update={"heads": (maps, *others)})
    return stage.model_copy(update={"network": network, "peak_threshold": threshold})


def sleap_nn_recordings(folder: Path) -> list[Recording]:
    """Recorded predictions of models on videos, without tracking."""
    manifest = json.loads((folder / "MANIFEST.json").read_text())
    entries = [e for e in manifest["files"] if "command" in e and e["file"].endswith(".npz")]
    commands = [(Path(e["file"]), shlex.split(e["command"])) for e in entries]
    return [
        _recording(folder, file, words)
        for file, words in commands
        if "-t" not in words and words[words.index("-i") + 1].endswith(".mp4")
    ]


def _recording(folder: Path, file: Path, words: list[str]) -> Recording:
    following = dict(zip(words, [*words[1:], ""], strict=True))
    stored = np.load(folder / file, allow_pickle=False)
    names = np.append(stored["track_names"].astype(str), "")
    return Recording(
        name=file.stem,
        video=folder / following["-i"],
        models=tuple(folder / after for word, after in pairwise(words) if word == "-m"),
        options={word: following[word] for word in words if word.startswith("-")},
        frames=stored["frames_in_file"].reshape(len(stored["frames_in_file"]), -1)[:, -1],
        frame=stored["frame_idx"],
        xy=stored["xy"],
        confidence=stored["point_score"],
        score=stored["instance_score"],
        individual=names[stored["track"]],
    )


@dataclass
class Tally:
    """Our distance from the peer, pooled over frames in which either sees an animal."""

    frames: int = 0
    doubtful: list[tuple[str, int]] = field(default_factory=list)  # a score at the threshold
    other_number: list[tuple[str, int, int, int]] = field(default_factory=list)  # theirs, ours
    one_sided: int = 0  # keypoints that only one of the two found
    other_individual: int = 0
    distance: list[float] = field(default_factory=list)  # px, of keypoints that both found
    confidence: list[float] = field(default_factory=list)
    score: list[float] = field(default_factory=list)

    def add(self, recording: Recording, poses: Poses) -> None:
        for frame in recording.frames:
            theirs = np.flatnonzero(recording.frame == frame)
            ours = np.flatnonzero(poses.frame == frame)
            if not len(theirs) and not len(ours):
                continue
            if _is_doubtful(recording, poses, theirs, ours):
                self.doubtful.append((recording.name, int(frame)))
                continue
            self.frames += 1
            if len(theirs) != len(ours):
                self.other_number.append((recording.name, int(frame), len(theirs), len(ours)))
            else:
                self._add_animals(recording, poses, theirs, ours)

    def _add_animals(self, recording: Recording, poses: Poses, theirs: np.ndarray, ours: np.ndarray) -> None:
        distance = np.linalg.norm(recording.xy[theirs][:, None] - poses.xy[ours][None], axis=-1)
        row, column = linear_sum_assignment(np.nan_to_num(distance, nan=1e3).sum(-1))
        theirs, ours = theirs[row], ours[column]
        seen = ~np.isnan(recording.xy[theirs, :, 0]), ~np.isnan(poses.xy[ours, :, 0])
        both = seen[0] & seen[1]
        self.one_sided += int((seen[0] != seen[1]).sum())
        self.distance += distance[row, column][both].tolist()
        self.confidence += np.abs(recording.confidence[theirs] - poses.confidence[ours])[both].tolist()
        self.score += np.abs(recording.score[theirs] - poses.score[ours]).tolist()
        names = np.array([*poses.skeleton.individuals, ""])
        self.other_individual += int((recording.individual[theirs] != names[poses.individual[ours]]).sum())

    def within(self, figure: str, tolerance: float) -> float:
        """The share of a figure's values that are within a tolerance."""
        return float((np.array(getattr(self, figure)) <= tolerance).mean())


def _is_doubtful(recording: Recording, poses: Poses, theirs: np.ndarray, ours: np.ndarray) -> bool:
    values = np.concatenate(
        (
            recording.confidence[theirs].ravel(),
            recording.score[theirs],
            poses.confidence[ours].ravel(),
            poses.score[ours],
        )
    )
    gaps = [np.abs(values - threshold) for threshold in recording.thresholds]
    return bool((np.fmin.reduce(gaps) <= DOUBT).any())
