"""How fast models of DeepLabCut run here, beside `deeplabcut.analyze_videos`, in one run on one machine.

    uv run python benchmarks/predict_deeplabcut.py FOLDER --peer /path/to/python-with-deeplabcut

Renders two worlds into FOLDER, trains a model of each kind in DeepLabCut for `--minutes` (what is there
already is not made again), and runs each over a video that it has not seen: every run is a process of its
own, in turn with the others. Medians over `--runs` of frames/s once running and of peak memory, with ratios,
the network alone in the same runtime, and where the time of the last run went. Let the machine rest.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from ethopose.testing import World
from predict import Run, measured, network_alone

SIZE, LABELLED, SEEN, UNSEEN = (384, 512), 60, 300, 301  # height and width in px; images; seeds


@dataclass(frozen=True)
class Case:
    """A network of DeepLabCut on a world of some animals."""

    network: str
    animals: int
    detector: str | None = None


CASES = (
    Case("resnet_50", 1),
    Case("cspnext_s", 1),
    Case("resnet_50", 2),
    Case("rtmpose_s", 2, "ssdlite"),
)


def made(case: Case, options: argparse.Namespace) -> tuple[Path, Path]:
    """The folder of a case's world, rendered, and the `train` folder of its model, trained."""
    world = options.folder / f"animals{case.animals}"
    seen = World(animals=case.animals, size=SIZE, frames=LABELLED * 4, seed=SEEN)
    if not (world / "labels.npz").is_file():
        (world / "images").mkdir(parents=True, exist_ok=True)
        xy = np.full((LABELLED, case.animals, seen.keypoints, 2), np.nan)
        for index, frame in enumerate(range(0, seen.frames, 4)):
            cv2.imwrite(str(world / "images" / f"{index:03d}.png"), seen.image(frame)[..., ::-1])
            rows = np.flatnonzero(seen.truth.frame == frame)
            xy[index, seen.truth.individual[rows]] = seen.truth.xy[rows]
        np.savez(world / "labels.npz", xy=xy, keypoints=seen.skeleton.keypoints)
    if not (video := video_of(world, options)).is_file():
        World(animals=case.animals, size=SIZE, frames=options.frames, seed=UNSEEN).write(video)
    done = world / f"{case.network}.txt"
    if not done.is_file():
        command = [*driver(options), "train", str(world), case.network, "--minutes", str(options.minutes)]
        command += ["--detector", case.detector] if case.detector else []
        told = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
        done.write_text(told.splitlines()[-1])
    return world, Path(done.read_text())


def video_of(world: Path, options: argparse.Namespace) -> Path:
    return world / f"video{options.frames}.mp4"


def driver(options: argparse.Namespace) -> list[str]:
    return [str(options.peer), str(Path(__file__).with_name("predict_deeplabcut_peer.py"))]


def ours(video: Path, model: Path, precision: str, profiles: list[dict]) -> Run:
    """`ethopose predict` with a warm cache, all of DeepLabCut's files written."""
    command = [sys.executable, "-m", "ethopose", "predict", str(video), "-m", str(model), "--overwrite"]
    command += ["--precision", precision, "--profile", "--json", "--no-track"]

    def figures(text: str, whole: float) -> tuple[float, float]:
        told = json.loads(text)
        profile, (result,) = told["profile"], told["videos"].values()
        profiles.append(profile | {"crops": result["animals"] / result["frames"]})
        return profile["rate"], whole - profile["wall"] + profile["first_batch"]

    return measured(command, figures)


def peer(world: Path, case: Case, options: argparse.Namespace) -> Run:
    """`analyze_videos`, 8 frames at a time."""
    command = [*driver(options), "analyze", str(world), case.network, str(video_of(world, options))]

    def figures(text: str, whole: float) -> tuple[float, float]:
        seconds = json.loads(text.splitlines()[-1])["seconds"]
        return options.frames / seconds, whole - seconds

    return measured(command, figures)


def main() -> None:
    options = arguments()
    cases = [case for case in CASES if options.only in (None, f"{case.network}-{case.animals}")]
    places = [made(case, options) for case in cases]
    if options.train:
        return
    for case, (world, model) in zip(cases, places, strict=True):
        compare(case, world, model, options)


def compare(case: Case, world: Path, model: Path, options: argparse.Namespace) -> None:
    """One case: runs in turn, and its table."""
    video = video_of(world, options)
    options.model, options.video = [model], video
    runs: dict[str, list[Run]] = {}
    alone: dict[str, list[float]] = {}
    profiles: list[dict] = []
    for precision in ("fp32", "auto"):  # fills the caches
        ours(video, model, precision, profiles)
    for _ in range(options.runs):
        for precision in ("fp32", "auto"):
            runs.setdefault(precision, []).append(ours(video, model, precision, profiles))
            crops = profiles[-1]["crops"] if case.detector else 0
            alone.setdefault(precision, []).append(network_alone(options, precision, crops=crops))
        runs.setdefault("DeepLabCut", []).append(peer(world, case, options))
    boxes = f", {case.detector}" if case.detector else ""
    print(f"\n{case.network}{boxes}, animals: {case.animals}\n")
    report(runs, {name: statistics.median(rates) for name, rates in alone.items()}, profiles[-2:])


def report(runs: dict[str, list[Run]], alone: dict[str, float], profiles: list[dict]) -> None:
    """The table, in Markdown."""

    def median(name: str, figure: str) -> float:
        return statistics.median(getattr(run, figure) for run in runs[name])

    print("| | frames/s | times DeepLabCut's | peak memory, MiB | of DeepLabCut's | of the network alone |")
    print("| --- | --- | --- | --- | --- | --- |")
    for name in runs:
        rate, memory = median(name, "rate"), median(name, "memory")
        more, less = rate / median("DeepLabCut", "rate"), memory / median("DeepLabCut", "memory")
        share = f"{rate / alone[name]:.0%} of {alone[name]:.1f}" if name in alone else ""
        print(f"| {name} | {rate:.2f} | {more:.2f} | {memory:.0f} | {less:.0%} | {share} |")
    for profile, precision in zip(profiles, ("fp32", "auto"), strict=True):
        each = {name: 1e3 * spent / profile["frames"] for name, spent in profile["stages"].items()}
        print(f"{precision}, ms a frame: " + ", ".join(f"{name} {spent:.1f}" for name, spent in each.items()))


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--peer", type=Path, required=True, help="the Python that has deeplabcut")
    parser.add_argument("--minutes", type=float, default=8.0, help="of training, each network")
    parser.add_argument("--frames", type=int, default=100)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--only", help="one case: network-animals, such as resnet_50-2")
    parser.add_argument("--train", action="store_true", help="only train")
    options = parser.parse_args()
    options.batch_size = None
    return options


if __name__ == "__main__":
    main()
