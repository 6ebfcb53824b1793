"""What became of the videos of a run."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ethopose.core import EthoposeError, ExitCode
from ethopose.predict.profile import Profile
from ethopose.store import UNDECODABLE, Result

LOSSES_PER_FRAME = 0.001  # more undecodable frames than this make a run one with losses


@dataclass(frozen=True, slots=True)
class Report:
    """By video: its result, or the error that kept it from one."""

    results: dict[Path, Result] = field(default_factory=dict)
    files: dict[Path, tuple[Path, ...]] = field(default_factory=dict)  # exported beside each result
    failures: dict[Path, EthoposeError] = field(default_factory=dict)
    profile: Profile = field(default_factory=Profile)
    strict: bool = False  # any frame that could not be read is a loss

    @property
    def losses(self) -> dict[Path, int]:
        """Frames that could not be read, by video, where there are any."""
        counts = {video: int((r.frames.status == UNDECODABLE).sum()) for video, r in self.results.items()}
        return {video: count for video, count in counts.items() if count}

    @property
    def exit_code(self) -> ExitCode:
        """DONE; LOSSES where a video failed or lost over one frame in a thousand (any, if strict); FAILED."""
        if self.failures and not self.results:
            return ExitCode.FAILED
        share = 0.0 if self.strict else LOSSES_PER_FRAME
        lost = any(count > share * len(self.results[video].frames) for video, count in self.losses.items())
        return ExitCode.LOSSES if self.failures or lost else ExitCode.DONE

    def as_data(self, *, profile: bool) -> dict[str, Any]:
        """The report for programs."""
        done = {
            str(video): {
                "result": str(result.path),
                "files": [str(file) for file in self.files[video]],
                "frames": len(result.frames),
                "animals": len(result),
                "tracks": len(result.tracks),
                "unsure_joins": int(result.joins.unsure.sum()),
                "undecodable_frames": self.losses.get(video, 0),
            }
            for video, result in self.results.items()
        }
        failed = {str(video): {"error": str(error)} for video, error in self.failures.items()}
        return {"videos": done | failed} | ({"profile": self.profile.as_data()} if profile else {})

    def lines(self) -> list[tuple[str, str]]:
        """What was done, for people: each video's counts, and the files that hold them."""
        lines = []
        for video, result in self.results.items():
            counts = f"{len(result)} animals in {len(result.frames)} frames"
            lost = f", {self.losses[video]} frames could not be read" if video in self.losses else ""
            files = "".join(f"\n{file}" for file in (result.path, *self.files[video]))
            lines.append((video.name, counts + lost + _tracks(result) + files))
        if self.failures:
            names = ", ".join(video.name for video in self.failures)
            of = f"{len(self.failures)} of {len(self.failures) + len(self.results)} videos"
            lines.append(("failed", f"{of}: {names}"))
        profile = self.profile
        if profile.frames:
            speed = f"{profile.rate:.1f} frames/s, {profile.wall:.1f} s in all"
            lines.append(("computed", f"{profile.frames} frames, {speed}"))
        return lines


def _tracks(result: Result) -> str:
    """How many there are, if any, and how much of that is unsure."""
    unsure = int(result.joins.unsure.sum())
    doubt = f" ({unsure} of {len(result.joins)} joins unsure)" if unsure else ""
    return f"\n{len(result.tracks)} tracks{doubt}" if result.tracks else ""
