"""Hands a plan's recordings to workers, stores what they make, and tries again what is lost."""

from __future__ import annotations

import logging
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from functools import partial
from itertools import count

from ethopose.core import (
    BusyError,
    DiskFullError,
    EthoposeError,
    InferenceError,
    MemoryFullError,
    ModelError,
    ResultError,
    VideoError,
)
from ethopose.formats.exports import refuse_foreign
from ethopose.predict import provenance
from ethopose.run.crew import Crew
from ethopose.run.hands import Hand
from ethopose.run.journal import Journal, stamp
from ethopose.run.matching import Matching
from ethopose.run.messages import (
    Answer,
    Failed,
    Logged,
    Look,
    Looked,
    Made,
    Make,
    Ready,
    Reply,
    Task,
    Through,
    Wrap,
    Wrapped,
)
from ethopose.run.plan import Plan
from ethopose.run.settings import Settings
from ethopose.run.steps import beside
from ethopose.run.work import State, Work
from ethopose.store import Manifest, PartRecord, is_claimed, start

log = logging.getLogger(__name__)

AHEAD = 2  # pieces that a worker has, the one under way among them
SURE = 65.0  # seconds after which a claim that is still there is held by somebody who lives
AGAIN = 2.0  # seconds until such a claim is looked at again
PIECES = 4  # of a recording for each worker, so that none waits long for the last

Watch = Callable[[Sequence[Work], Sequence[Hand]], None]


class Supervisor:
    """A run that goes on. `run` returns when all is done or the run has to stop."""

    def __init__(self, plan: Plan, crew: Crew, settings: Settings, journal: Journal, watch: Watch) -> None:
        self.plan, self.crew, self.settings = plan, crew, settings
        self.journal, self.watch = journal, watch
        self.works = [journal.work(number, entry) for number, entry in enumerate(plan.entries)]
        self.halted: EthoposeError | None = None
        self.seconds: Counter[str] = Counter()  # of work, by stage
        self._queue = deque(work for work in self.works if not work.ended)
        self._active: list[Work] = []  # opened, or being opened, and not ended
        self._wraps: deque[Work] = deque()
        self._ids = count()
        self._stored = 0  # parts
        self._until: float | None = None
        self._match = Matching()

    def run(self, devices: Sequence[str]) -> None:
        """Do all that is to be done; whatever ends it, workers are gone and claims released."""
        try:
            if self._queue:
                self._match = Matching(set(devices) == {"cpu"})
                self.crew.hire([*devices, *self._match.lacking(self._queue, devices)])
            while self._goes_on():
                self._hand_out()
                for hand, reply in self.crew.replies():
                    self._lost(hand) if reply is None else self._heard(hand, reply)
                for hand in self.crew.silent(self.settings.hang_after):
                    log.warning("a worker made no progress for %.0f s", self.settings.hang_after)
                    self._lost(hand)
                self.watch(self.works, self.crew.hands)
        except (DiskFullError, InferenceError) as error:  # nothing can be noted, nobody is left
            self.halted = error
        finally:
            self.crew.dismiss()
            for work in self._active:
                work.close()

    def _goes_on(self) -> bool:
        if self.halted is not None:
            return False
        late = self._until is not None and time.monotonic() > self._until
        if late and (self._stored or not self._active):
            return False
        return bool(self._queue or self._active)

    # what is handed out

    def _hand_out(self) -> None:
        waiting = [work for work in self._active if work.pending and work.writer is not None]
        room = {kind: self._match.room(self._active, self.crew.hands, cpu=kind) for kind in (True, False)}
        for hand in self.crew.hands:
            if not hand.ready:
                continue
            while (
                self._may_have_more(hand)
                and len(hand.heavy) < AHEAD
                and (task := self._piece_for(hand, waiting))
            ):
                hand.give(task)
            kind = hand.device == "cpu"
            if self._may_have_more(hand) and not hand.light and (light := self._light_for(hand, room[kind])):
                room[kind] -= isinstance(light, Look)
                hand.give(light)

    def _may_have_more(self, hand: Hand) -> bool:
        return not any(self.works[task.work].suspect for task in hand.tasks.values())

    def _piece_for(self, hand: Hand, waiting: list[Work]) -> Make | None:
        for work in waiting:
            if not work.pending or work.writer is None or not self._match.may_have(work, hand):
                continue
            runs = work.pending.popleft()
            work.out += 1
            return Make(
                next(self._ids),
                work.number,
                work.entry.recipe,
                work.entry.videos,
                work.entry.result,
                work.writer.token,
                work.writer.manifest.model_copy(update={"parts": ()}),
                runs,
                frozenset(work.avoid),
                work.careful,
            )
        return None

    def _light_for(self, hand: Hand, room: int) -> Look | Wrap | None:
        if work := next((work for work in self._wraps if not (work.suspect and hand.busy)), None):
            self._wraps.remove(work)
            entry = work.entry
            return Wrap(next(self._ids), work.number, entry.recipe, entry.result, self.settings.then)
        if room <= 0:
            return None
        now = time.monotonic()
        while work := next(
            (w for w in self._queue if w.not_before < now and self._match.may_have(w, hand)), None
        ):
            self._queue.remove(work)
            self._active.append(work)
            if self.settings.claim and is_claimed(work.entry.result):
                self._pass_over(work, BusyError("another run is at work on it", where=work.entry.result))
                continue
            work.stamp = stamp(work.entry)
            self._become(work, "opening")
            recipe, avoid = work.entry.recipe, frozenset(work.avoid)
            return Look(next(self._ids), work.number, recipe, work.entry.videos, avoid, work.careful)
        return None

    # what comes back

    def _heard(self, hand: Hand, reply: Reply) -> None:
        match reply:
            case Ready():
                hand.ready = True
                if self._until is None and self.settings.limit is not None:
                    self._until = time.monotonic() + self.settings.limit
            case Logged(record):
                logging.getLogger(record.name).handle(record)
            case Made():
                self._guarded(self.works[reply.work], partial(self._enter, record=reply.record))
            case Looked() | Through() | Wrapped() | Failed():
                if (task := hand.tasks.pop(reply.task, None)) is not None:
                    self._over(hand, task, reply)

    def _over(self, hand: Hand, task: Task, answer: Answer) -> None:
        """A task is off the list; what follows for its work, if that has not ended meanwhile."""
        work = self.works[task.work]
        work.seen(hand.beat)
        work.alone = False
        if isinstance(task, Make):
            work.out -= 1
        match answer:
            case Looked():
                self._guarded(work, partial(self._opened, manifest=answer.manifest))
            case Through():
                self.seconds.update(answer.seconds)
                self._guarded(work, self._piece_done)
            case Wrapped():
                work.files, work.animals, work.lost = answer.files, answer.animals, answer.lost
                self._end(work, "done")
            case Failed():
                self._guarded(work, partial(self._failed, error=answer.error, hand=hand, task=task))

    def _guarded(self, work: Work, do: Callable[[Work], object]) -> None:
        """Do it to a work that has not ended; what goes wrong is its failure, or the run's."""
        if work.ended:
            return
        try:
            do(work)
        except EthoposeError as error:
            self._failed(work, error)

    def _enter(self, work: Work, record: PartRecord) -> None:
        if work.writer is not None:
            work.writer.enter([record])
            self._stored += 1

    def _opened(self, work: Work, manifest: Manifest) -> None:
        entry = work.entry
        recipe, result = self.plan.recipes[entry.recipe], entry.result
        overwrite = work.anew or (recipe.options.overwrite and not work.begun)
        if not recipe.options.overwrite:
            refuse_foreign(result, beside(result, entry.videos[0], recipe, self.settings.then).files)
        try:
            writer = start(result, manifest, overwrite=overwrite)
        except BusyError as error:
            if not self.settings.claim:
                raise
            self._pass_over(work, error)
            return
        except ResultError:
            if not recipe.options.overwrite:
                raise
            writer = start(result, manifest, overwrite=True)
        apart = recipe.options.way is None  # else frames hang on the ones before, and one worker makes all
        parts, pieces = (self.crew.hands[0].parts, PIECES * len(self.crew.hands)) if apart else (None, 1)
        work.begin(writer, parts, pieces)
        self._become(work, "predicting")
        self._wrap(work) if writer.finished else self._piece_done(work)

    def _pass_over(self, work: Work, error: EthoposeError) -> None:
        """Another run is at work on it; it is looked at until that one is done, or surely has not died."""
        now = time.monotonic()
        work.passed_over = work.passed_over or now
        if now > work.passed_over + SURE:
            self._end(work, "busy", error)
            return
        work.not_before = now + AGAIN
        self._active = [each for each in self._active if each is not work]
        self._queue.append(work)
        self._become(work, "waiting")

    def _piece_done(self, work: Work) -> None:
        """Where nobody has a piece any more, and none is pending, it is whole, or begins anew."""
        if work.pending or work.out:
            return
        if work.again:
            work.again = False
            work.close()
            self._active.remove(work)
            self._queue.appendleft(work)
            self._become(work, "waiting")
        elif work.writer is not None:
            work.writer.finish({**provenance.at_end(time.time() - work.began), **work.facts()})
            self._wrap(work)

    def _wrap(self, work: Work) -> None:
        self._become(work, "wrapping")
        self._wraps.append(work)

    # what goes wrong

    def _failed(
        self, work: Work, error: EthoposeError, hand: Hand | None = None, task: Task | None = None
    ) -> None:
        if isinstance(error, DiskFullError):
            self.halted = error
        elif work.again:
            self._piece_done(work)
        elif isinstance(error, ModelError):
            self._end(work, "failed", error)
            for other in [each for each in self._queue if each.entry.recipe == work.entry.recipe]:
                self._end(other, "failed", error)
        elif (
            isinstance(error, InferenceError)
            and hand is not None
            and hand.device != "cpu"
            and not isinstance(task, Wrap)
        ):
            self._failed_on_gpu(work, error, hand)
        else:
            self._end(work, "failed", error)

    def _failed_on_gpu(self, work: Work, error: InferenceError, hand: Hand) -> None:
        """By default the video goes to the CPU, as a result of its own kind, and everybody hears of it."""
        way = self.settings.on_gpu_failure
        work.tries += 1
        if way == "cpu":
            log.warning("%s: %s; it goes on, anew, on the CPU", work.entry.name, error.what)
            self._to_cpu(work)
        elif way == "retry" and work.tries < self.settings.attempts:
            log.warning("%s: %s; it is tried again", work.entry.name, error.what)
            self._again(work)
        else:
            self._end(work, "failed", error)
            self.halted = error if way == "stop" else self.halted
        if not isinstance(error, MemoryFullError):  # the device may be in no state to go on
            self._lost(hand, blamed=False)

    def _to_cpu(self, work: Work) -> None:
        """Anew: what this run has of it was made on another device. What others made stays."""
        work.on_cpu, work.anew = True, work.begun
        self.crew.hire(self._match.lacking([work], [hand.device for hand in self.crew.hands]))
        if work in self._active:
            self._again(work)

    def _again(self, work: Work) -> None:
        """From the opening on, once nobody is at work on it any more."""
        work.pending.clear()
        work.again = True
        self._piece_done(work)

    def _lost(self, hand: Hand, *, blamed: bool = True) -> None:
        """A worker is gone, or has to go. What was under way is suspected, all it had is handed out again."""
        tasks, first = list(hand.tasks.values()), [*hand.heavy[:1], *hand.light[:1]]
        code = self.crew.replace(hand)
        under_way = {task.work for task in first if blamed and not self.works[task.work].ended}
        for work in map(self.works.__getitem__, under_way):
            if len(under_way) > 1:
                work.alone = True  # until it is known which of them it was
            else:
                self._suspect(work, hand, code)
        for task in tasks:
            work = self.works[task.work]
            if not work.ended:
                self._guarded(work, partial(self._take_back, task=task))
        self._strand(hand)

    def _strand(self, gone: Hand) -> None:
        """Where the last worker of its kind is gone for good, what was for it goes to the CPU, or fails.

        Raises:
            InferenceError: nobody is left.
        """
        hands = self.crew.hands
        stranded = [
            work
            for work in (*self._queue, *self._active)
            if work.state != "wrapping" and not any(self._match.fits(work, hand) for hand in hands)
        ]
        error = gone.unfit or EthoposeError(f"no worker is left on {gone.device}")
        may_move = self.settings.on_gpu_failure == "cpu"
        if not hands and not (may_move and any(not self._match.is_for_cpu(work) for work in stranded)):
            raise InferenceError(error.what, where=error.where, fix=error.fix)
        for work in stranded:
            if self._match.is_for_cpu(work) or not may_move:
                self._end(work, "failed", error)
            else:
                log.warning("%s: %s; it goes on, anew, on the CPU", work.entry.name, error.what)
                self._to_cpu(work)

    def _take_back(self, work: Work, task: Task) -> None:
        match task:
            case Make():
                work.take_back(task.runs)
                self._piece_done(work)
            case Look():
                self._again(work)
            case Wrap():
                self._wraps.append(work)

    def _suspect(self, work: Work, hand: Hand, code: int | None) -> None:
        """It is tried again with each packet told; one that ends two processes is left out."""
        trying = hand.trying.packet if hand.trying and hand.trying.work == work.number else None
        left_out = work.blame(trying)
        self.journal.note(work, "worker lost", code=code)
        log.warning("%s: its process ended (exit %s)", work.entry.name, code)
        if left_out is not None:
            log.warning("%s: packet %d ends the decoder; its frame is left out", work.entry.name, left_out)
        if work.unexplained >= self.settings.attempts:
            what = f"set aside: it ended {work.deaths} processes (exit {code})"
            self._end(work, "failed", VideoError(what, where=work.entry.name))

    # states

    def _become(self, work: Work, state: State) -> None:
        if work.state != state:  # a claim is looked at again and again
            work.state = state
            self.journal.note(work, state)

    def _end(self, work: Work, state: State, error: EthoposeError | None = None) -> None:
        work.end(state, error)
        for place in (self._active, self._queue):
            if work in place:
                place.remove(work)
        if not isinstance(error, BusyError):  # of which the other run notes what comes of it
            self.journal.note(work, state)
        log.info("%s: %s%s", work.entry.name, state, f": {error}" if error else "")
        if state == "failed" and self.settings.fail_fast and self.halted is None:
            self.halted = error
