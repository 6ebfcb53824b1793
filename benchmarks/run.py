"""What a run costs beside its frames: many short videos against one long one, and parts against none.

    uv run python benchmarks/run.py --model MODEL

Videos are rendered once into a temporary folder. Each case is run as a user would, `ethopose run` in a
process of its own, one after the other, three times; printed are medians. Let the machine rest meanwhile.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from ethopose.testing import World
from ethopose.testing.demo import demo_model

VIDEOS, FRAMES = 200, 50


def written(folder: Path) -> tuple[Path, Path]:
    """A folder of short videos, and one of a long one; of the same scene."""
    short, long = folder / "short", folder / "long"
    for place in (short, long):
        place.mkdir()
    World(frames=VIDEOS * FRAMES).write(long / "long.mp4")
    World(frames=FRAMES).write(short / "v000.mp4")
    for number in range(1, VIDEOS):
        shutil.copy(short / "v000.mp4", short / f"v{number:03}.mp4")
    return short, long


def run(videos: Path, model: Path, out: Path, *more: str) -> tuple[float, dict[str, object]]:
    """Seconds that a run takes, all told, and its report."""
    line = [sys.executable, "-m", "ethopose", "run", str(videos), "-m", str(model), "-o", str(out)]
    began = time.perf_counter()
    done = subprocess.run([*line, "--json", *more], capture_output=True, text=True, check=True)
    return time.perf_counter() - began, json.loads(done.stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", type=Path, default=demo_model())
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        short, long = written(Path(place))
        rows = []
        for workers in options.workers:
            more = ["--workers", str(workers), "--threads", str(max(1, 2 // workers))]
            for name, videos in (("one long", long), (f"{VIDEOS} short", short)):
                seconds = []
                for repeat in range(options.repeats):
                    out = Path(place) / f"out{workers}{repeat}{name[:3]}"
                    seconds.append(run(videos, options.model, out, *more)[0])
                    shutil.rmtree(out)
                rows.append((workers, name, statistics.median(seconds)))
        sys.stdout.write("| workers | videos | s | against one long |\n| --- | --- | --- | --- |\n")
        for workers, name, seconds in rows:
            base = next(s for w, n, s in rows if w == workers and n == "one long")
            sys.stdout.write(f"| {workers} | {name} | {seconds:.1f} | {seconds / base:.2f} |\n")


if __name__ == "__main__":
    main()
