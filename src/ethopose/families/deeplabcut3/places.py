"""Where in a folder, or a project, the trained networks lie: snapshots by number, shuffles by theirs."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

from ethopose.core import ModelError

CONFIG, PROJECT = "pytorch_config.yaml", "config.yaml"
MODELS = "dlc-models-pytorch"
DEPTH = 4  # folders that a modelprefix may have, one within the other, and one more
EXPORTED = "DLC_*_snapshot-*.pt"
SNAPSHOT = re.compile(r"snapshot-(?P<uid>(?P<best>best-)?0*(?P<epoch>\d+))\.pt")
DETECTOR = re.compile(r"snapshot-detector-(?P<uid>(?P<best>best-)?0*(?P<epoch>\d+))\.pt")
SHUFFLE = re.compile(r"(?P<task>.+)-trainset(?P<percent>\d+)shuffle(?P<number>\d+)")


@dataclass(frozen=True, slots=True)
class Place:
    """A snapshot and the configuration that says what network it is of."""

    folder: Path
    snapshot: Path

    @property
    def exported(self) -> bool:
        """Whether configuration and weights, also the detector's, are in one file."""
        return fnmatch(self.snapshot.name, EXPORTED) or not self.beside.is_file()

    @property
    def beside(self) -> Path:
        """Where the configuration of a `train` folder lies."""
        return self.folder / CONFIG

    @property
    def config(self) -> Path:
        """The file that the configuration is in."""
        return self.snapshot if self.exported else self.beside

    @property
    def uid(self) -> str:
        """The number of its epoch as DeepLabCut writes it into names, such as `50` or `best-120`."""
        return uid(self.snapshot)


def uid(snapshot: Path) -> str:
    """The same of any snapshot, be it of a detector."""
    match = SNAPSHOT.fullmatch(snapshot.name) or DETECTOR.fullmatch(snapshot.name)
    return f"{match['best'] or ''}{int(match['epoch'])}" if match else snapshot.stem


def find(path: Path) -> Place | None:
    """What a path means, if it is of this tool: a snapshot means itself, a folder its best or last one, or
    the exported model in it.

    Raises:
        ModelError: it is of this tool, and lacks what it should hold.
    """
    if path.suffix == ".pt":
        return Place(path.parent, path)
    folder = path if path.is_dir() else path.parent
    if (folder / CONFIG).is_file():
        return Place(folder, last_snapshot(folder))
    exported = sorted(folder.glob(EXPORTED)) if folder == path else []
    if len(exported) > 1:
        names = ", ".join(file.name for file in exported)
        raise ModelError("several exported models lie here", where=folder, fix=f"name one of {names}")
    return Place(folder, exported[0]) if exported else None


def last_snapshot(folder: Path) -> Path:
    """The best one where there is one, else the last, as DeepLabCut's index -1.

    Raises:
        ModelError: there is none.
    """
    if found := snapshots(folder, SNAPSHOT):
        return found[-1]
    raise ModelError("no snapshot-*.pt lies here: the weights are missing", where=folder)


def last_detector(folder: Path) -> Path:
    """The same of the detector's snapshots.

    Raises:
        ModelError: there is none.
    """
    if found := snapshots(folder, DETECTOR):
        return found[-1]
    raise ModelError(
        "no snapshot-detector-*.pt lies here: the detector, which finds the animals, is missing",
        where=folder,
        fix="copy it from the train folder that this one was copied from",
    )


def snapshots(folder: Path, pattern: re.Pattern[str]) -> list[Path]:
    """By epoch, the best ones after all others, as DeepLabCut counts them."""
    found = {path: match for path in folder.glob("*.pt") if (match := pattern.fullmatch(path.name))}
    return sorted(found, key=lambda path: (bool(found[path]["best"]), int(found[path]["epoch"])))


def shuffle_of(folder: Path, config: Mapping[str, Any]) -> tuple[str, str]:
    """Task with date, and shuffle, that a `train` folder was made for; its name where nothing tells."""
    stored = str((config.get("metadata") or {}).get("pose_config_path") or "")
    kind = PureWindowsPath if "\\" in stored else PurePosixPath
    for name in (folder.parent.name, kind(stored).parent.parent.name):
        if match := SHUFFLE.fullmatch(name):
            return match["task"], f"shuffle{match['number']}"
    return folder.parent.name if folder.name == "train" else folder.name, ""
