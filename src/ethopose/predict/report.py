"""What became of the videos of a run."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from ethopose.core import EthoposeError, ExitCode
from ethopose.predict.profile import Profile
from ethopose.store import UNDECODABLE, Result

LOSSES_PER_FRAME = 0.001  # more undecodable frames than this make a run one with losses


@dataclass(frozen=True, slots=True)
class Report:
    """By video: its result, or the error that kept it from one."""

    results: dict[Path, Result] = field(default_factory=dict)
    failures: dict[Path, EthoposeError] = field(default_factory=dict)
    profile: Profile = field(default_factory=Profile)

    @property
    def losses(self) -> dict[Path, int]:
        """Frames that could not be read, by video, where there are any."""
        counts = {video: int((r.frames.status == UNDECODABLE).sum()) for video, r in self.results.items()}
        return {video: count for video, count in counts.items() if count}

    def exit_code(self, *, strict: bool = False) -> ExitCode:
        """DONE; LOSSES where a video failed or lost over one frame in a thousand (any, if strict); FAILED."""
        if self.failures and not self.results:
            return ExitCode.FAILED
        share = 0.0 if strict else LOSSES_PER_FRAME
        lost = any(count > share * len(self.results[video].frames) for video, count in self.losses.items())
        return ExitCode.LOSSES if self.failures or lost else ExitCode.DONE
