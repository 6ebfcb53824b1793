"""The places of a Dask cluster in the place of worker processes: parts are its tasks, the shared disk takes
what they make, and the scheduler holds nothing but names and records."""

from __future__ import annotations

import secrets
import signal
import threading
from contextlib import suppress
from multiprocessing import Pipe
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from ethopose.core import EthoposeError, InferenceError, UsageError
from ethopose.run.bench import Bench, Setup
from ethopose.run.hands import Hand
from ethopose.run.messages import Beat, Failed, Look, Looked, Made, Make, Ready, Reply, Task, Through, Wrap
from ethopose.run.settings import CLUSTERS
from ethopose.store import PartRecord

if TYPE_CHECKING:
    from distributed import Client, Future

RETRIES = 2  # of a part that could not be made: a disk that was away comes back
MARGIN = 300  # seconds before its job's time is over in which a worker goes
ANSWER = 30  # seconds that a scheduler has to answer

_benches: dict[str, Bench] = {}  # of this process, by run
_lock, _making = threading.Lock(), threading.Lock()


def do(run: str, setup: Setup, task: Task) -> list[Reply]:
    """What a worker of the cluster does for a task; models and videos stay with its process."""
    with _lock:
        bench = _benches.get(run) or setup.bench()
        _benches.clear()  # another run's models have no use any more
        _benches[run] = bench
    if isinstance(task, Look):
        return [Looked(task.id, task.work, bench.look(task))]
    if isinstance(task, Wrap):
        return [bench.wrap(task)]
    records: list[PartRecord] = []
    frames = 0

    def count(number: int) -> None:
        nonlocal frames
        frames += number

    with _making:  # a worker of several threads is given several tasks, and its device is one
        seconds = bench.make(task, records.append, count)
    made = (Made(task.work, record) for record in records)
    return [*made, Beat(frames), Through(task.id, task.work, seconds)]


class ClusterHand(Hand):
    """A place on the cluster for two tasks, the one under way among them. Dask watches over its workers, and
    gives to another what a dead one had."""

    parts = 1
    watched = False

    def __init__(self, client: Client, setup: Setup, run: str, resources: dict[str, float]) -> None:
        super().__init__("cpu")  # what fails there is not done again here
        self._client, self._setup, self._run, self._resources = client, setup, run, resources
        self._futures: set[Future] = set()
        self._frames = 0
        self.line, self._back = Pipe()
        self._sending = threading.Lock()
        self._tell(Ready())

    def send(self, task: Task) -> None:
        """Submit a task.

        Raises:
            InferenceError: the scheduler is gone.
        """
        try:
            how = {"pure": False, "resources": self._resources}
            how["retries"] = RETRIES if isinstance(task, Make) else 0
            future = self._client.submit(do, self._run, self._setup, task, **how)
        except Exception as error:
            raise InferenceError(f"the scheduler is gone ({type(error).__name__})") from error
        self._futures.add(future)
        future.add_done_callback(lambda done: self._settled(done, task))

    def dismiss(self) -> int | None:
        """Take back what was submitted."""
        futures, self._futures = list(self._futures), set()
        self.line.close()
        with suppress(Exception):  # a scheduler that is gone has nothing to take back
            self._client.cancel(futures)
        return None

    def _settled(self, future: Future, task: Task) -> None:
        """Runs in a thread of the client's."""
        if future not in self._futures:
            return  # taken back
        self._futures.discard(future)
        error = InferenceError("the scheduler is gone") if future.cancelled() else future.exception()
        if error is None:
            for reply in future.result():
                if isinstance(reply, Beat):
                    self._frames += reply.frames
                    reply = Beat(self._frames)
                self._tell(reply)
        elif isinstance(error, EthoposeError):
            self._tell(Failed(task.id, task.work, error))
        else:
            what = f"the cluster gave it up: {type(error).__name__}: {error}"
            self._tell(Failed(task.id, task.work, EthoposeError(what)))

    def _tell(self, reply: Reply) -> None:
        with self._sending, suppress(OSError):  # nobody listens any more
            self._back.send(reply)


class Cluster:
    """A Dask scheduler, with a number of places for tasks."""

    def __init__(
        self, client: Client, places: int, resources: dict[str, float], jobs: Any | None = None
    ) -> None:
        self.client, self.places, self._resources, self._jobs = client, places, resources, jobs
        self._run = secrets.token_hex(8)

    def __enter__(self) -> Cluster:
        return self

    def __exit__(self, *error: object) -> None:
        """Its jobs end with the run; a scheduler that ran before goes on."""
        self.client.close()
        if self._jobs is not None:
            self._jobs.close()

    def hire(self, setup: Setup) -> ClusterHand:
        """One place."""
        return ClusterHand(self.client, setup, self._run, self._resources)


def connect(scheduler: str, *, gpus: bool) -> Cluster:
    """The cluster of a scheduler that runs, such as `tcp://node7:8786`; a place for each of its workers.

    Raises:
        UsageError: nobody answers there, or it has no workers.
    """
    distributed = _distributed()
    try:
        client = distributed.Client(scheduler, timeout=ANSWER)
        workers = client.scheduler_info(n_workers=-1)["workers"]
    except OSError as error:
        raise UsageError(f"no scheduler answers at {scheduler} ({error})", fix="check the address") from error
    if not workers:
        raise UsageError(
            f"the scheduler at {scheduler} has no workers", fix="start some: dask worker ADDRESS"
        )
    return Cluster(client, len(workers), {"GPU": 1.0} if gpus else {})


def start_cluster(kind: str, jobs: int, options: Path | None, *, gpus: bool) -> Cluster:
    """A cluster whose workers are jobs of a batch system.

    `options` is a YAML file of dask-jobqueue's keywords: cores, memory, walltime, queue ... A job is one
    process unless it says otherwise (`processes`).

    Raises:
        UsageError: an option is unknown or lacks, or several processes would share a job's GPU.
    """
    distributed = _distributed()
    dask_jobqueue = jobqueue()
    try:
        given = {"processes": 1, **((yaml.safe_load(options.read_text()) if options else None) or {})}
        processes = int(given["processes"])
        words = _worker_words(kind, given, gpus=gpus)
        given["scheduler_options"] = {"dashboard_address": ":0", **(given.get("scheduler_options") or {})}
        cluster = getattr(dask_jobqueue, CLUSTERS[kind])(**{**given, "worker_extra_args": words})
    except (OSError, yaml.YAMLError, TypeError, ValueError) as error:
        why = " ".join(str(error).split())
        fix = "give dask-jobqueue's keywords in a file: --cluster-options FILE"
        raise UsageError(f"the cluster's options do not do ({why})", where=options, fix=fix) from error
    if gpus and processes > 1:
        cluster.close()
        raise UsageError(
            f"{processes} processes of a job would share its GPU",
            where=options,
            fix="processes: 1, more --jobs",
        )
    cluster.adapt(minimum_jobs=jobs, maximum_jobs=jobs)  # a job that ended is replaced
    client = distributed.Client(cluster)
    return Cluster(client, jobs * processes, {"GPU": 1.0} if gpus else {}, cluster)


def _worker_words(kind: str, given: dict[str, Any], *, gpus: bool) -> list[str]:
    """What a job's worker is started with: it goes before its time is over, and says if it has a GPU."""
    import dask

    words = [str(word) for word in given.get("worker_extra_args") or ()]
    if gpus and "--resources" not in words:
        words += ["--resources", "GPU=1"]
    walltime = given.get("walltime") or dask.config.get(f"jobqueue.{kind}.walltime", None)
    if walltime and "--lifetime" not in words:
        seconds = _walltime(kind, str(walltime))
        words += ["--lifetime", f"{seconds - min(MARGIN, seconds // 10)}s"]
    return words


def _walltime(kind: str, text: str) -> int:
    """Seconds of D-HH:MM:SS, HH:MM:SS, minutes, or MM:SS, which for LSF are HH:MM. Raises ValueError."""
    days, _, clock = text.rpartition("-")
    parts = [int(part) for part in clock.split(":")]
    if len(parts) > 3:
        raise ValueError(f"walltime {text}")
    two = (*parts, 0) if kind == "lsf" else (0, *parts)
    hours, minutes, seconds = {1: (0, *parts, 0), 2: two, 3: tuple(parts)}[len(parts)]
    return ((int(days or 0) * 24 + hours) * 60 + minutes) * 60 + seconds


def jobqueue() -> Any:
    """The package dask_jobqueue, which makes Ctrl-C end any program that imports it; that is undone."""
    before = signal.getsignal(signal.SIGINT)
    try:
        import dask_jobqueue
    except ImportError as error:
        raise UsageError("dask-jobqueue is not installed", fix="pip install 'ethopose[cluster]'") from error
    signal.signal(signal.SIGINT, before)
    return dask_jobqueue


def _distributed() -> Any:
    try:
        import distributed
    except ImportError as error:
        raise UsageError("dask is not installed", fix="pip install 'ethopose[cluster]'") from error
    return distributed
