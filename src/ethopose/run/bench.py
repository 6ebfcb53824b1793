"""What a process keeps at hand to do its tasks: loaded models and open videos."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from ethopose.core import Poses, VideoError
from ethopose.media import Caution, Video
from ethopose.predict.video import Writing
from ethopose.run.making import Maker
from ethopose.run.messages import Look, Make, Wrap, Wrapped
from ethopose.run.plan import Recipe
from ethopose.store import Extra, Features, FrameTable, Manifest, PartRecord, State, check_held, store_part

OPEN = 3  # videos kept open, to be looked at, made and made again
MODELS = 2  # kept in memory

Opener = Callable[[tuple[Path, ...], Caution], Video]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Setup:
    """What a process is told once."""

    recipes: tuple[Recipe, ...]
    opener: Opener

    def bench(self) -> Bench:
        """What does the tasks of such a run."""
        return Bench(self)


class Kept(Generic[T]):
    """The things that were asked for last; two threads may make different ones at once."""

    def __init__(self, most: int) -> None:
        self._most, self._lock = most, threading.Lock()
        self._things: OrderedDict[Hashable, T] = OrderedDict()
        self._making: dict[Hashable, threading.Lock] = {}

    def get(self, key: Hashable, make: Callable[[], T]) -> T:
        """A thing, made if it is not there."""
        with self._lock:
            mine = self._making.setdefault(key, threading.Lock())
        with mine:
            thing = self._things[key] if key in self._things else make()
            with self._lock:
                self._things[key] = thing
                self._things.move_to_end(key)
                while len(self._things) > self._most:
                    self._making.pop(self._things.popitem(last=False)[0], None)
        return thing


class Bench:
    """Models are loaded and videos opened once, as long as not many others are asked for."""

    def __init__(self, setup: Setup) -> None:
        self.setup = setup
        self._open: Kept[Video] = Kept(OPEN)
        self._makers: Kept[Maker] = Kept(MODELS)

    def look(self, task: Look, told: Callable[[int], None] | None = None) -> Manifest:
        """What the result of a recording is to be; `told` hears of every packet before it is decoded.

        Raises:
            VideoError, UsageError, ModelError.
        """
        video = self._opened(task.videos, Caution(task.avoid, told))
        return self.maker(task.recipe).manifest(video, self.setup.recipes[task.recipe].options)

    def make(
        self,
        task: Make,
        made: Callable[[PartRecord], None],
        count: Callable[[int], None],
        told: Callable[[int], None] | None = None,
    ) -> dict[str, float]:
        """Make parts; `made` hears of each that is stored, `count` how many frames each batch had. Gives the
        seconds of work by stage.

        Raises:
            VideoError: it cannot be read, or is not the one that was looked at.
            InferenceError: this process computes otherwise than the one that looked.
            BusyError: the result is no longer the run's.
        """
        maker, video = self.maker(task.recipe), self._opened(task.videos, Caution(task.avoid, told))
        if video.fingerprint()["sha256"] != task.manifest.video["sha256"]:
            raise VideoError("it has changed since the run began with it", where=video.path)
        maker.check(task.manifest)

        def store(
            frames: FrameTable, poses: Poses, extra: Extra, state: State | None, features: Features
        ) -> None:
            check_held(task.result, task.token)
            made(store_part(task.result, task.manifest, frames, poses, extra, state, features))

        return maker.make(video, Writing(task.result, task.manifest, store), task.runs, count)

    def wrap(self, task: Wrap) -> Wrapped:
        """Read a finished result back, and do what comes after it."""
        return self.maker(task.recipe).wrap(task, self.setup.recipes[task.recipe])

    def maker(self, recipe: int) -> Maker:
        """What predicts by a recipe; recipes that differ in other things share it."""
        told = self.setup.recipes[recipe]
        return self._makers.get(told.engine, lambda: Maker(told))

    def _opened(self, videos: tuple[Path, ...], caution: Caution) -> Video:
        if caution.told is not None:  # with a decoder that has seen nothing yet
            return self.setup.opener(videos, caution)
        return self._open.get((*videos, caution.avoid), lambda: self.setup.opener(videos, caution))
