"""The workers of a run: hired, watched, replaced, and let go."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.connection import wait
from pathlib import Path

from ethopose.core import EthoposeError
from ethopose.run.hands import Hand
from ethopose.run.messages import Reply

log = logging.getLogger(__name__)

LISTEN = 0.2  # seconds
LOADING = 300.0  # seconds that a worker has at least until it is ready: models come from slow disks, too
UNBORN = 3  # workers in a row on a device that ended before they were ready: it is no use

Hire = Callable[[str], Hand]  # a worker on a device


class Crew:
    """The hands of a run. `sink` is the file that they write to when they die."""

    def __init__(self, hire: Hire, sink: Path) -> None:
        self._hire, self._sink = hire, sink
        self._unborn: Counter[str] = Counter()
        self.hands: list[Hand] = []

    def hire(self, devices: Sequence[str]) -> None:
        """A worker on each."""
        for device in devices:
            self.hands.append(self._hire(device))

    def dismiss(self) -> None:
        """All go."""
        while self.hands:
            self.hands.pop().dismiss()

    def replies(self) -> Iterator[tuple[Hand, Reply | None]]:
        """What the hands say until now, waiting a moment; None from one that is gone."""
        by_line = {hand.line: hand for hand in self.hands}
        for line in wait(list(by_line), LISTEN):
            hand = by_line[line]  # type: ignore[index]
            try:
                while hand in self.hands and hand.line.poll():
                    reply = hand.hear()
                    if hand.ready:
                        self._unborn[hand.device] = 0
                    yield hand, reply
            except EOFError:
                yield hand, None

    def silent(self, seconds: float) -> list[Hand]:
        """Those that are at work and made no progress for so long."""
        now = time.monotonic()
        patience = {True: seconds, False: max(seconds, LOADING)}
        watched = (hand for hand in self.hands if hand.watched and hand.busy)
        return [hand for hand in watched if now - hand.sign > patience[hand.ready]]

    def replace(self, hand: Hand) -> int | None:
        """A new worker in the place of one that is gone, or is to go; gives what its process ended with.

        Where workers on its device do not even get ready, nobody takes its place; why is in `hand.unfit`.
        """
        code = hand.dismiss()
        self.hands.remove(hand)
        if not hand.ready:
            self._unborn[hand.device] += 1
        again = hand.unfit is None and self._unborn[hand.device] < UNBORN
        self.hire([hand.device] if again else [])
        if again:
            return code
        why = hand.unfit = hand.unfit or EthoposeError(
            f"{UNBORN} workers on {hand.device} ended before they had loaded the model (exit {code})",
            where=self._sink,
        )
        log.warning("%s is not used any more: %s", hand.device, why)
        return code
