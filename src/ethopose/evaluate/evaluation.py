"""What an evaluation came to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ethopose.core import ExitCode
from ethopose.evaluate.drawing import LABELLED, Drawing, draw_labelled
from ethopose.evaluate.naming import short_name
from ethopose.evaluate.sample import ALL, Sample
from ethopose.evaluate.summary import Row
from ethopose.metrics import Reliability

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = ("images", "points", "missed", "median", "mean", "rmse", "PCK@5", "PCK@10")
NAMED = 5  # images that cannot be read, for people; all stand in the data


@dataclass(frozen=True, slots=True)
class Evaluation:
    """A model or a result against labels. Errors in px of the original pictures.

    `summary` holds a row a split, recording and keypoint; `path` is the folder with the files.
    """

    path: Path
    target: str
    pcutoff: float
    sample: Sample
    summary: tuple[Row, ...]
    reliability: Reliability
    warnings: tuple[str, ...]
    unread: tuple[str, ...]  # images that could not be read

    def row(self, split: str | None = None, *, video: str = ALL, keypoint: str = ALL) -> Row:
        """The numbers of a split (of all images if left out), a recording, a keypoint. Raises KeyError."""
        wanted = (split or self.summary[-1].split, video, keypoint)
        for row in self.summary:
            if (row.split, row.video, row.keypoint) == wanted:
                return row
        raise KeyError(wanted)

    def to_pandas(self) -> pd.DataFrame:
        """The summary as a table, one row a split, recording and keypoint."""
        import pandas as pd

        return pd.DataFrame([row.as_data() for row in self.summary])

    def points_to_pandas(self) -> pd.DataFrame:
        """Every labelled and every found keypoint, a row each: where it is and was found, in px."""
        import pandas as pd

        points, images = self.sample.points, self.sample.images
        names = np.array(self.sample.truth.skeleton.keypoints)
        columns = {
            "image": [short_name(images[index]) for index in points.image],
            "split": [self.sample.split_of(index) for index in points.image],
            "video": [self.sample.videos[index] for index in points.image],
            "keypoint": names[points.keypoint],
            "truth_row": points.truth_row,
            "row": points.row,
            "truth_x": points.truth[:, 0],
            "truth_y": points.truth[:, 1],
            "x": points.found[:, 0],
            "y": points.found[:, 1],
            "confidence": points.confidence,
            "error": points.error,
        }
        return pd.DataFrame(columns)

    def draw(self, how: Drawing | None = None, progress: Callable[[int, int], None] | None = None) -> Path:
        """Write every image that was looked at, with its labels and what was found; gives their folder.

        `progress` is told images done, and in all. Raises `ResultError`.
        """
        folder = self.path / LABELLED
        draw_labelled(self.sample, folder, how or Drawing(), cutoff=self.pcutoff, progress=progress)
        return folder

    @property
    def exit_code(self) -> ExitCode:
        """DONE; LOSSES where images could not be read."""
        return ExitCode.LOSSES if self.unread else ExitCode.DONE

    def as_data(self) -> dict[str, Any]:
        """The evaluation for programs: NaN is None."""
        told = {
            "evaluation": str(self.path),
            "target": self.target,
            "pcutoff": self.pcutoff,
            "images": len(self.sample.seen),
            "keypoints": list(self.sample.truth.skeleton.keypoints),
            "body_length": self.sample.body,
            "unread": list(self.unread),
            "warnings": list(self.warnings),
            "reliability": {key: _plain(value) for key, value in asdict(self.reliability).items()},
            "summary": [row.as_data() for row in self.summary],
        }
        return {key: _without_nan(value) for key, value in told.items()}

    def lines(self) -> list[tuple[str, str]]:
        """The evaluation for people: errors by split, keypoint and recording, then the tools' own numbers."""
        lines = [("", " ".join(f"{name:>7}" for name in COLUMNS))]
        last = self.row().split
        for row in self.summary:
            if row.split == last or row.keypoint == row.video == ALL:
                lines.append((_heading(row), _numbers(row)))
        whole, sure = self.row(), self.reliability
        for tool in ("coco", "deeplabcut", "sleap"):
            lines.append((tool, _of_tool(whole.tools, tool)))
        lines.append(("reliability", f"ECE {sure.ece:.3f}  Brier {sure.brier:.3f}  AUROC {sure.auroc:.3f}"))
        if self.unread:
            names = ", ".join(self.unread[:NAMED]) + (" ..." if len(self.unread) > NAMED else "")
            lines.append(
                (
                    "not readable",
                    f"{names} ({len(self.unread)} of {len(self.unread) + len(self.sample.seen)})",
                )
            )
        return [*lines, ("written", str(self.path))]


def _heading(row: Row) -> str:
    if row.keypoint == row.video == ALL:
        return row.split
    return "  " + "  ".join(name for name in (row.video, row.keypoint) if name != ALL)


def _numbers(row: Row) -> str:
    e = row.errors
    counts = f"{row.images:7d} {e.labelled:7d} {e.missed:7d}"
    return f"{counts} {e.median:7.2f} {e.mean:7.2f} {e.rmse:7.2f} {e.pck_5:7.3f} {e.pck_10:7.3f}"


SHOWN = {
    "coco": ("AP", "AP50", "AR"),
    "deeplabcut": ("rmse", "rmse_pcutoff", "mAP", "mAR"),
    "sleap": ("mOKS", "oks_voc.mAP", "oks_voc.mAR", "mPCK"),
}


def _of_tool(numbers: dict[str, float], tool: str) -> str:
    return "  ".join(f"{name} {numbers[f'{tool}.{name}']:.3f}" for name in SHOWN[tool])


def _plain(value: Any) -> Any:
    return value.tolist() if isinstance(value, np.ndarray) else value


def _without_nan(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nan(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_without_nan(item) for item in value]
    return None if isinstance(value, float) and np.isnan(value) else value
