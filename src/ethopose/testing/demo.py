"""The demonstration: a clip with a known truth, the model that comes along, and how far it is off."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from ethopose.core import ResultError
from ethopose.draw import render
from ethopose.media import VideoWriter, open_video
from ethopose.predict import Options, predict_all
from ethopose.store import make_folder
from ethopose.testing.comparison import compare
from ethopose.testing.world import World

DEMO_WORLD = World(frames=300, seed=7)  # its seed is none of those that the model was trained on

Progress = Callable[[str, int, int], None]  # (what, frames done, frames in all)


@dataclass(frozen=True, slots=True)
class DemoReport:
    """What the demonstration came to, against the known truth."""

    frames: int
    animals: int  # animals in frames, of the truth
    found: float  # share of them that was found
    extra: float  # found beyond these, a frame: the truth has none that are less than half in the picture
    median: float  # px; half of the keypoints err less
    p95: float  # px; 95 % of the keypoints err less
    start_seconds: float | None  # until the network was compiled and had done a batch
    frames_per_second: float | None  # of the prediction from then on; None where it was there already
    files: tuple[Path, ...]

    def lines(self) -> list[tuple[str, str]]:
        """The report for people."""
        speed = "nothing to compute: the result was there already"
        if self.frames_per_second is not None:
            speed = f"{self.frames_per_second:.0f} frames/s, after {self.start_seconds:.1f} s to start"
        return [
            ("frames", str(self.frames)),
            ("speed", speed),
            ("animals found", f"{self.found:.1%} of {self.animals}; {self.extra:.2f} a frame beyond these"),
            ("error", f"median {self.median:.2f} px, 95 % of the keypoints below {self.p95:.2f} px"),
            ("files", "\n".join(map(str, self.files))),
        ]


def demo_model() -> Path:
    """The folder of the model that comes with the package; `tools/make_demo_model.py` trained it."""
    return Path(str(files("ethopose.testing") / "data" / "demo"))


def run_demo(folder: Path, progress: Progress) -> DemoReport:
    """Render the clip into `folder`, predict it, draw what was found, and measure; again, and it goes on.

    Raises:
        ResultError: another video lies where the clip should.
        EthoposeError: whatever kept the prediction from its result.
    """
    make_folder(folder)
    clip = folder / "clip.mp4"
    if clip.exists():
        _check(clip)
    else:
        _write(clip, progress)
    report = predict_all(
        [clip],
        demo_model(),
        Options(format=("csv",), track=False),
        lambda _, done, total: progress("predict", done, total),
    )
    for error in report.failures.values():
        raise error
    ((video, result),) = report.results.items()
    pictures = render(result, overwrite=True, progress=lambda done, total: progress("draw", done, total))
    found = compare(result.poses, DEMO_WORLD.truth)
    return DemoReport(
        frames=DEMO_WORLD.frames,
        animals=len(DEMO_WORLD.truth),
        found=found.found,
        extra=found.extra,
        median=found.median,
        p95=found.p95,
        start_seconds=report.profile.first_batch,
        frames_per_second=report.profile.rate if report.profile.frames else None,
        files=(clip, result.path, *report.files[video], pictures.video, pictures.sheet),
    )


def _write(clip: Path, progress: Progress) -> None:
    with VideoWriter(clip, DEMO_WORLD.fps, DEMO_WORLD.size) as video:
        for frame in range(DEMO_WORLD.frames):
            video.write(DEMO_WORLD.image(frame))
            progress("render", frame + 1, DEMO_WORLD.frames)


def _check(clip: Path) -> None:
    video = open_video(clip)
    if (len(video), *video.shape[:2]) != (DEMO_WORLD.frames, *DEMO_WORLD.size):
        raise ResultError(
            "a video that is not the demonstration's", where=clip, fix="-o names another folder"
        )
