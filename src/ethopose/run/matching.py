"""Which recordings which workers may have: by device, and where one may end its process, alone."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ethopose.run.hands import Hand
from ethopose.run.work import Work


@dataclass(frozen=True, slots=True)
class Matching:
    """A run whose devices are CPUs only, or GPUs, from which recordings may go to a CPU."""

    cpu_only: bool = True

    def is_for_cpu(self, work: Work) -> bool:
        """Whether a CPU is to make it."""
        return work.on_cpu or self.cpu_only

    def fits(self, work: Work, hand: Hand) -> bool:
        """Whether the worker is of the kind of device that the work asks for."""
        return (hand.device == "cpu") == self.is_for_cpu(work)

    def may_have(self, work: Work, hand: Hand) -> bool:
        """Also whether what may end its process would be alone there."""
        return self.fits(work, hand) and not (work.suspect and hand.busy)

    def room(self, active: Iterable[Work], hands: Sequence[Hand], *, cpu: bool) -> int:
        """How many more recordings may be opened for a kind of device: one for each worker, and one ahead."""
        mine = sum((hand.device == "cpu") == cpu for hand in hands)
        opened = (work for work in active if work.state == "opening" or work.pending)
        return mine + 1 - sum(self.is_for_cpu(work) == cpu for work in opened)

    def lacking(self, works: Iterable[Work], devices: Iterable[str]) -> list[str]:
        """The CPU, where a work is for it and no worker is there."""
        return ["cpu"] if "cpu" not in devices and any(map(self.is_for_cpu, works)) else []
