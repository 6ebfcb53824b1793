"""The peer's recorded predictions: which command made each, and how far ours are from them."""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.optimize import linear_sum_assignment

from ethopose.core import Poses

THRESHOLD = 0.2  # the peer's default


@dataclass(frozen=True)
class Recording:
    """A command of sleap-nn on one video, and what it found."""

    name: str
    video: Path
    models: tuple[Path, ...]
    options: dict[str, str]
    frames: np.ndarray
    frame: np.ndarray
    xy: np.ndarray
    confidence: np.ndarray
    score: np.ndarray
    individual: np.ndarray  # name or "" of each row

    @property
    def threshold(self) -> float:
        return float(self.options.get("--peak_threshold", THRESHOLD))


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
    models = [words[k + 1] for k, word in enumerate(words) if word == "-m"]
    options = {
        word: words[k + 1] if k + 1 < len(words) and not words[k + 1].startswith("-") else ""
        for k, word in enumerate(words)
        if word.startswith("-")
    }
    stored = np.load(folder / file, allow_pickle=False)
    names = np.append(stored["track_names"].astype(str), "")
    return Recording(
        name=file.stem,
        video=folder / options["-i"],
        models=tuple(folder / model for model in models),
        options=options,
        frames=stored["frames_in_file"].ravel()
        if stored["frames_in_file"].ndim == 1
        else stored["frames_in_file"][:, -1],
        frame=stored["frame_idx"],
        xy=stored["xy"],
        confidence=stored["point_score"],
        score=stored["instance_score"],
        individual=names[stored["track"]],
    )


@dataclass
class Tally:
    """Distances of matched keypoints and counts of frames, pooled over recordings."""

    distance: list[np.ndarray]
    confidence: list[np.ndarray]
    score: list[np.ndarray]
    frames: int = 0
    equal: int = 0
    near_threshold: list[tuple[str, int]] = None  # type: ignore[assignment]
    unequal: list[tuple[str, int, int, int]] = None  # type: ignore[assignment]
    presence: int = 0  # keypoints that only one of the two found
    identities: int = 0  # animals whose individual differs


def empty_tally() -> Tally:
    return Tally([], [], [], near_threshold=[], unequal=[])


def add(tally: Tally, recording: Recording, poses: Poses, tolerance: float) -> None:
    """Compare frame by frame; `tolerance` is how near to a threshold a confidence is in doubt."""
    names = np.array([*poses.skeleton.individuals, ""])
    for frame in recording.frames:
        theirs, ours = np.flatnonzero(recording.frame == frame), np.flatnonzero(poses.frame == frame)
        if not len(theirs) and not len(ours):
            continue
        values = np.concatenate((recording.confidence[theirs].ravel(), poses.confidence[ours].ravel()))
        if np.any(np.abs(values - recording.threshold) <= tolerance):
            tally.near_threshold.append((recording.name, int(frame)))
            continue
        tally.frames += 1
        if len(theirs) != len(ours):
            tally.unequal.append((recording.name, int(frame), len(theirs), len(ours)))
            continue
        tally.equal += 1
        _add_frame(tally, recording, poses, theirs, ours, names)


def _add_frame(tally, recording, poses, theirs, ours, names) -> None:
    gap = recording.xy[theirs][:, None] - poses.xy[ours][None]
    distance = np.nan_to_num(np.linalg.norm(gap, axis=-1), nan=1e3)
    row, column = linear_sum_assignment(np.minimum(distance, 1e3).sum(-1))
    theirs, ours = theirs[row], ours[column]
    seen = ~np.isnan(recording.xy[theirs, :, 0]), ~np.isnan(poses.xy[ours, :, 0])
    both = seen[0] & seen[1]
    tally.presence += int((seen[0] != seen[1]).sum())
    tally.distance.append(np.linalg.norm(recording.xy[theirs] - poses.xy[ours], axis=-1)[both])
    tally.confidence.append(np.abs(recording.confidence[theirs] - poses.confidence[ours])[both])
    tally.score.append(np.abs(recording.score[theirs] - poses.score[ours]))
    tally.identities += int((recording.individual[theirs] != names[poses.individual[ours]]).sum())
