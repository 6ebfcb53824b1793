"""What the supervisor, and a Dask scheduler, hold and cost where a run is large: nothing is computed.

    uv run python benchmarks/run_scaling.py
    uv run python benchmarks/run_scaling.py --dask --workers 20 --videos 300

10,000 videos of 100,000 frames, in parts of 10,000, on 200 workers inside this process. The workers answer at
once what a network would after its time, so that all that is measured is overhead: the plan, the tasks on
their way, the manifests written for each part, the journal. Printed are the time a part and the memory that
the process holds beyond what it held before. `--dask` sends the tasks through a real scheduler.
"""

from __future__ import annotations

import argparse
import logging
import resource
import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from multiprocessing import Pipe
from pathlib import Path

from ethopose.core import Skeleton
from ethopose.predict import Options
from ethopose.run.bench import Setup
from ethopose.run.cluster import Cluster
from ethopose.run.crew import Crew, Hire
from ethopose.run.hands import Hand
from ethopose.run.journal import Journal
from ethopose.run.messages import Look, Looked, Made, Make, Ready, Task, Through, Wrap, Wrapped
from ethopose.run.plan import Entry, Plan, Recipe
from ethopose.run.settings import Settings
from ethopose.run.supervisor import Supervisor
from ethopose.store import Manifest, ModelRecord, PartRecord

PART = 10_000


@dataclass(frozen=True, slots=True)
class SyntheticSetup(Setup):
    """A setup whose bench computes nothing."""

    frames: int = 0

    def bench(self) -> SyntheticBench:
        return SyntheticBench(self.frames)


class SyntheticBench:
    """Answers as a worker would that has a network of no cost."""

    def __init__(self, frames: int) -> None:
        self.frames = frames

    def look(self, task: Look, told=None) -> Manifest:
        video = {
            "path": str(task.videos[0]),
            "sha256": f"{task.work:064x}",
            "bytes": 1,
            "frames": self.frames,
        }
        return Manifest(
            skeleton=Skeleton(keypoints=tuple(f"keypoint {n}" for n in range(12))),
            video=video,
            model=ModelRecord(name="synthetic", digest="0" * 64),
            settings={"device": "cpu"},
            frames=((0, self.frames - 1),),
            part_frames=PART,
        )

    def make(self, task: Make, made, count, told=None) -> dict[str, float]:
        for start, stop in task.runs:
            count(stop - start)
            made(record(start, stop))
        return {}

    def wrap(self, task: Wrap) -> Wrapped:
        return Wrapped(task.id, task.work, (), 2 * self.frames, 0)


class InProcess(Hand):
    """A worker in this process: what it is asked it has answered."""

    parts = 1

    def __init__(self, setup: SyntheticSetup) -> None:
        super().__init__("cpu")
        self.bench = setup.bench()
        self.line, self._back = Pipe()
        self._back.send(Ready())

    def send(self, task: Task) -> None:
        match task:
            case Look():
                self._back.send(Looked(task.id, task.work, self.bench.look(task)))
            case Make():
                told = partial(Made, task.work)
                self.bench.make(task, lambda record: self._back.send(told(record)), lambda frames: None)
                self._back.send(Through(task.id, task.work, {}))
            case Wrap():
                self._back.send(self.bench.wrap(task))

    def dismiss(self) -> None:
        self.line.close()
        self._back.close()


def dask_cluster(workers: int) -> Cluster:
    """A scheduler and its workers in this process, which Dask itself has trouble with from 50 workers on."""
    import distributed

    logging.getLogger("distributed").setLevel(logging.ERROR)
    local = distributed.LocalCluster(
        n_workers=workers,
        threads_per_worker=1,
        processes=False,
        dashboard_address=":0",
        memory_limit=0,  # they share one process, and would all think it theirs
    )
    return Cluster(distributed.Client(local), workers, {}, local)


def record(start: int, stop: int) -> PartRecord:
    """A part of two animals a frame."""
    sizes = {"poses_bytes": 1, "poses_crc32": 0, "frames_bytes": 1, "frames_crc32": 0}
    return PartRecord(first=start, frames=stop - start, animals=2 * (stop - start), **sizes)


def held() -> float:
    """MB that this process holds now."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--videos", type=int, default=10_000)
    parser.add_argument("--frames", type=int, default=100_000)
    parser.add_argument("--workers", type=int, default=200)
    parser.add_argument("--dask", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        seconds, most, before = simulate(options, Path(folder))
    parts = options.videos * -(-options.frames // PART)
    sys.stdout.write(
        f"{options.videos} videos, {parts} parts, {options.workers} workers: {seconds:.0f} s, "
        f"{seconds / parts * 1e3:.2f} ms a part; {most - before:.0f} MB beyond {before:.0f} MB\n"
    )


def simulate(options: argparse.Namespace, folder: Path) -> tuple[float, float, float]:
    """Seconds, the most MB that were held, and MB before."""
    recipe = Recipe((folder / "model",), Options(), "synthetic", "0" * 64, 12)
    names = [folder / f"{number // 1000:03}" / f"video{number:05}.mp4" for number in range(options.videos)]
    entries = tuple(Entry(str(n), (n,), 0, n.with_name(f"{n.name}.synthetic.ethopose")) for n in names)
    plan = Plan(entries, (recipe,))
    setup = SyntheticSetup((recipe,), None, options.frames)
    with ExitStack() as stack:
        hire: Hire = lambda device: InProcess(setup)  # noqa: E731
        if options.dask:
            cluster = stack.enter_context(dask_cluster(options.workers))
            hire = lambda device: cluster.hire(setup)  # noqa: E731
        before = most = held()
        last = time.monotonic()

        def watch(works: object, hands: object) -> None:
            nonlocal most, last
            if time.monotonic() - last > 1:
                most, last = max(most, held()), time.monotonic()

        settings = Settings()
        journal = Journal(folder / "synthetic.run", plan, {}, settings)
        crew = Crew(hire, folder / "workers.log")
        began = time.perf_counter()
        supervisor = Supervisor(plan, crew, settings, journal, watch)
        supervisor.run(["cpu"] * options.workers)
        seconds = time.perf_counter() - began
        states = {work.state for work in supervisor.works}
        assert states == {"done"}, states
        return seconds, max(most, held()), before


if __name__ == "__main__":
    main()
