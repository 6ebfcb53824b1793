"""How fast prediction is, beside the peer, in one run on one machine.

    uv run python benchmarks/predict.py VIDEO -m MODEL [-m MODEL] --peer /path/to/sleap-nn

Every run is a process of its own, in turn with the others: the peer's command, ours in fp32 and
with `--precision auto`, and in this program the network alone and the video decoding alone. Medians
over `--runs` of frames/s, seconds to the first finished batch, and peak memory, with ratios. Let
the machine rest meanwhile: nothing here tells its noise from ours.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path


@dataclass(frozen=True)
class Run:
    """One process, measured."""

    rate: float  # frames/s once running
    start: float  # s from the start of the process to the first finished batch
    whole: float  # s of the whole process
    memory: float  # MiB at its peak


def measured(command: list[str], figures: Callable[[str, float], tuple[float, float]]) -> Run:
    """A command run to its end; `figures` reads its rate and start from what it printed and its time."""
    began = time.perf_counter()
    with tempfile.TemporaryFile("w+") as said:
        process = subprocess.Popen(command, stdout=said, stderr=subprocess.STDOUT)
        _, status, usage = os.wait4(process.pid, 0)
        whole = time.perf_counter() - began
        said.seek(0)
        text = said.read()
    if status:
        sys.exit(f"{' '.join(command)} failed:\n{text[-2000:]}")
    rate, start = figures(text, whole)
    return Run(rate, start, whole, usage.ru_maxrss / 1024)


def ours(options: argparse.Namespace, precision: str, folder: Path) -> Run:
    """`ethopose predict` with a warm cache."""
    command = [sys.executable, "-m", "ethopose", "predict", str(options.video)]
    command += [word for model in options.model for word in ("-m", str(model))]
    command += ["-o", str(folder / "ours.ethopose"), "--format", "none", "--no-track", "--overwrite"]
    command += ["--profile", "--json"]
    command += ["--precision", precision, "--frames", f"0-{options.frames - 1}"]
    command += ["-b", str(options.batch_size)] if options.batch_size else []

    def figures(text: str, whole: float) -> tuple[float, float]:
        profile = json.loads(text)["profile"]
        outside = whole - profile["wall"]  # imports before the clock starts, and the end
        return profile["rate"], outside + profile["first_batch"]

    return measured(command, figures)


def peer(options: argparse.Namespace, folder: Path) -> Run:
    """`sleap-nn predict` with its own defaults."""
    command = [str(options.peer), "predict", "-i", str(options.video), "-d", "cpu"]
    command += [word for model in options.model for word in ("-m", str(model))]
    command += ["--frames", f"0-{options.frames - 1}", "-o", str(folder / "peer.slp")]

    def figures(text: str, whole: float) -> tuple[float, float]:
        rate = float(re.findall(r"throughput=([\d.]+)", text)[-1])
        return rate, whole - options.frames / rate

    return measured(command, figures)


def network_alone(
    options: argparse.Namespace, precision: str, seconds: float = 8.0, crops: float = 0
) -> float:
    """frames/s of graph 1 of the first stage, on the same pictures over and over; with `crops` of the second
    stage's as well, on so many a frame on average."""
    import numpy as np

    from ethopose.families import load
    from ethopose.media import open_video
    from ethopose.models.preparation import fit, to_pictures
    from ethopose.predict.options import BATCH_SIZE
    from ethopose.runtime import Compute, StageSource, compile_stage, resolve

    model, video = load(options.model), open_video(options.video)
    stage, batch = model.spec.stages[0], options.batch_size or BATCH_SIZE["openvino"]
    gray = video.gray and stage.preparation.color == "as_filmed"
    block = next(video.blocks(np.arange(batch), batch, gray=gray))
    images = [fit(block.image, stage.preparation).images]
    if crops:
        size = (BATCH_SIZE["openvino"], *model.spec.stages[1].preparation.crop, block.image.shape[-1])
        images.append(np.random.default_rng(0).integers(0, 255, size, np.uint8))
    compute = resolve(Compute(precision=precision))
    networks = []
    for index, (stage, image) in enumerate(zip(model.spec.stages, images, strict=bool(crops))):
        pictures = to_pictures(image, stage.preparation)
        source = StageSource(stage, partial(model.weights, index), f"{model.digest}.{index}")
        compiled = compile_stage(source, pictures.shape, compute)
        compiled.network(pictures)
        networks.append(partial(compiled.network, pictures))
    each = [1 / batch, crops / BATCH_SIZE["openvino"]]  # calls a frame
    began = time.perf_counter()

    def work(_: int) -> int:
        frames = 0
        while time.perf_counter() - began < seconds:
            for network, calls in zip(networks, each, strict=False):
                for _ in range(int((frames + batch) * calls) - int(frames * calls)):
                    network()
            frames += batch
        return frames

    with ThreadPoolExecutor(compute.at_once) as pool:
        frames = sum(pool.map(work, range(compute.at_once)))
    return frames / (time.perf_counter() - began)


def decoding_alone(options: argparse.Namespace) -> float:
    """frames/s of reading the video."""
    from ethopose.media import open_video

    video = open_video(options.video)
    began = time.perf_counter()
    frames = sum(len(block) for block in video.blocks(None, 4, gray=video.gray))
    return frames / (time.perf_counter() - began)


def main() -> None:
    options = arguments()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        runs: dict[str, list[Run]] = {}
        alone: dict[str, list[float]] = {}
        for precision in ("fp32", "auto"):  # fills the caches
            ours(options, precision, folder)
        for _ in range(options.runs):
            for precision in ("fp32", "auto"):
                runs.setdefault(f"ethopose {precision}", []).append(ours(options, precision, folder))
                alone.setdefault(precision, []).append(network_alone(options, precision))
            alone.setdefault("decoding", []).append(decoding_alone(options))
            if options.peer:
                runs.setdefault("sleap-nn", []).append(peer(options, folder))
    report(runs, {name: statistics.median(rates) for name, rates in alone.items()})


def report(runs: dict[str, list[Run]], alone: dict[str, float]) -> None:
    """The table, in Markdown."""

    def median(name: str, figure: str) -> float:
        return statistics.median(getattr(run, figure) for run in runs[name])

    print("| | frames/s | to the first batch, s | whole, s | peak memory, MiB | frames/s over the peer's |")
    print("| --- | --- | --- | --- | --- | --- |")
    for name in runs:
        rate, start, whole, memory = (median(name, f) for f in ("rate", "start", "whole", "memory"))
        ratio = f"{rate / median('sleap-nn', 'rate'):.1f}" if "sleap-nn" in runs else ""
        print(f"| {name} | {rate:.1f} | {start:.1f} | {whole:.1f} | {memory:.0f} | {ratio} |")
    print(f"\nDecoding alone: {alone['decoding']:.0f} frames/s.")
    for precision in ("fp32", "auto"):
        bound = min(alone[precision], alone["decoding"])
        share = median(f"ethopose {precision}", "rate") / bound
        rate = alone[precision]
        print(f"Network alone, {precision}: {rate:.1f} frames/s; the whole reaches {share:.0%} of it.")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("video", type=Path)
    parser.add_argument("-m", "--model", type=Path, action="append", required=True)
    parser.add_argument("--peer", type=Path, help="the peer's command, in an environment of its own")
    parser.add_argument("--frames", type=int, default=400)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("-b", "--batch-size", type=int, help="ours; the default if left out")
    return parser.parse_args()


if __name__ == "__main__":
    main()
