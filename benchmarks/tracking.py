"""Who tracks best: worlds with a known truth, ethopose beside the trackers of the peers.

    python benchmarks/tracking.py shared/data/tracking [--only crossings crowd] [--out benchmarks]

For each world three seeds (the recorded one, +100, +200), and of each figure the middle one. `bound` gives
every pose its true animal: the most that these poses allow. The peers' trackers are those of ethopose that
are equal to them row by row (`tests/track`): sleap-nn 0.3.5's classic tracker with its defaults, with the
number of animals known, and with its Kalman filter; its ocsort, bytetrack and sort; DeepLabCut's ellipse, box
and skeleton trackers with its stitcher. `+ looks` has the world's appearance vectors. Writes `tracking.md`
with a table of each world, and `tracking.png`: how often joins were right, by how sure they were.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from collections.abc import Callable
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import numpy as np

from ethopose.core import EthoposeError, Poses, Skeleton
from ethopose.metrics import Sightings, closeness, identity, join_reliability, sightings
from ethopose.track import Memory, Rows, deeplabcut, follow, in_chunks
from ethopose.track.sleap.classic import ClassicTracker
from ethopose.track.sleap.mot.options import mot_options
from ethopose.track.sleap.mot.tracker import track_video
from ethopose.track.sleap.options import ClassicOptions

WORLDS = ("sparse", "crossings", "shelters", "crowd", "huddle", "ghosts", "fast")
LOOKS = {"crossings": {"app_dim": 16, "app_noise": 0.8}, "shelters": {}, "huddle": {}}
SEEDS = (0, 100, 200)
FIGURES = ("idf1", "hota", "assa", "mota", "switches", "fragmentations", "misses", "false_positives")

World = dict[str, Any]
Tracker = Callable[[World], np.ndarray]


def simulator(folder: Path) -> Any:
    """The worlds' own module."""
    spec = spec_from_file_location("simulate", folder / "simulate.py")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def bound(world: World) -> np.ndarray:
    """The true animal of each pose; of two halves the larger."""
    seen = np.isfinite(world["det_xy"][..., 0]).sum(1)
    order = np.lexsort((-seen, world["det_true"], world["det_frame"]))
    key = world["det_frame"][order].astype(np.int64) * 1000 + world["det_true"][order]
    first = order[np.diff(key, prepend=-1) != 0]
    track = np.full(len(seen), -1)
    track[first] = world["det_true"][first]
    return track


def followed(world: World, *, looks: bool = False) -> tuple[np.ndarray, np.ndarray, Any]:
    """Track and piece of each pose, and what is known."""
    frame = world["det_frame"].astype(np.int64)
    vector = world["det_app"] if looks else np.zeros((len(frame), 0), np.float32)
    rows, spool = [Rows(frame, world["det_xy"], world["det_conf"], vector)], Memory()
    known = follow(lambda: rows, world["gt_visible"].shape[1], spool, looks=looks)
    chunks = list(zip(in_chunks(rows), spool, strict=True))
    track, piece = (
        np.concatenate([each(rows, of) for rows, of in chunks])
        for each in (lambda rows, of: known.of(rows, of)[0], known.end)
    )
    return track, piece, known


def ours(world: World) -> np.ndarray:
    """ethopose, poses alone."""
    return followed(world)[0]


def ours_with_looks(world: World) -> np.ndarray:
    """ethopose, with appearance vectors."""
    return followed(world, looks=True)[0]


def classic(**options: Any) -> Tracker:
    """sleap-nn's classic tracker."""

    def run(world: World) -> np.ndarray:
        given = {k: world["gt_visible"].shape[1] if v == "animals" else v for k, v in options.items()}
        tracker = ClassicTracker(ClassicOptions(**given))
        track = np.full(len(world["det_frame"]), -1)
        frames = len(world["gt_visible"])
        at = np.searchsorted(world["det_frame"], np.arange(frames + 1))
        for frame in range(frames):
            rows = slice(at[frame], at[frame + 1])
            xy, sure = world["det_xy"][rows], world["det_conf"][rows]
            track[rows] = tracker(frame, xy, sure, world["det_score"][rows]).track
        return track

    return run


def mot(name: str) -> Tracker:
    """One of the trackers of `sleap-nn predict --tracker`, with its preset for animals."""

    def run(world: World) -> np.ndarray:
        options = mot_options(name, preset="animal")
        columns = (world[f"det_{column}"] for column in ("frame", "xy", "conf", "score"))
        looked = np.arange(len(world["gt_visible"]))
        return track_video(options, *columns, looked=looked).track

    return run


def stitched(method: str) -> Tracker:
    """DeepLabCut's tracker of that name, and its stitcher."""

    def run(world: World) -> np.ndarray:
        columns = (world[f"det_{column}"] for column in ("frame", "xy", "conf"))
        frame, xy, sure = (column.astype(np.float64) for column in columns)
        told = deeplabcut.tracklets(frame.astype(np.int64), xy, sure, method=method)
        track = np.full(len(frame), -1)
        n_tracks = world["gt_visible"].shape[1]
        try:
            found = deeplabcut.stitch(frame.astype(np.int64), told.xy, sure, told.track, n_tracks=n_tracks)
        except EthoposeError:  # what it cannot stitch is measured as it was tracked
            return np.asarray(told.track)
        track[found.row] = found.track
        return track

    return run


METHODS: dict[str, Tracker] = {
    "bound": bound,
    "ethopose": ours,
    "sleap-nn, defaults": classic(),
    "sleap-nn, number known": classic(max_tracks="animals", candidates_method="local_queues"),
    "sleap-nn, Kalman": classic(use_kalman=True, tracking_target_instance_count="animals"),
    "sleap-nn ocsort": mot("ocsort"),
    "sleap-nn bytetrack": mot("bytetrack"),
    "sleap-nn sort": mot("sort"),
    "DeepLabCut ellipse": stitched("ellipse"),
    "DeepLabCut box": stitched("box"),
    "DeepLabCut skeleton": stitched("skeleton"),
}


def compared(world: World, track: np.ndarray) -> Sightings:
    """Tracks beside the truth."""
    frames, animals = world["gt_visible"].shape
    skeleton = Skeleton(tuple(f"k{k}" for k in range(world["det_xy"].shape[1])))

    def poses(frame: np.ndarray, xy: np.ndarray, who: np.ndarray) -> Poses:
        sure = np.ones(xy.shape[:2], np.float32)
        columns = frame.astype(np.int64), xy.astype(np.float32), sure, sure[:, 0], who.astype(np.int32)
        return Poses(skeleton, *columns)

    there = track >= 0
    found = poses(world["det_frame"][there], world["det_xy"][there], track[there])
    who = np.where(world["gt_visible"], np.arange(animals), -1).ravel()
    xy = world["gt_xy"].reshape(frames * animals, -1, 2)
    truth = poses(np.repeat(np.arange(frames), animals), xy, who)
    return sightings(found, truth, likeness=closeness(float(world["body"][0])))


def measured(worlds: list[World], method: Tracker) -> dict[str, float]:
    """The middle of the figures."""
    told = [identity(compared(world, method(world))) for world in worlds]
    return {name: statistics.median(getattr(each, name) for each in told) for name in FIGURES}


def row(name: str, told: dict[str, float]) -> str:
    """A line of a table."""
    cells = [f"{told[f]:.3f}" if f in FIGURES[:4] else f"{told[f]:,.0f}" for f in FIGURES]
    return f"| {name} | {' | '.join(cells)} |"


def table(simulate: Any, name: str) -> list[str]:
    """All methods on a world."""
    settings = simulate.SCENARIOS[name]
    worlds = [simulate.simulate(**{**settings, "seed": settings["seed"] + more}) for more in SEEDS]
    lines = [f"## {name}", "", f"| | {' | '.join(FIGURES)} |", "| --- " * (len(FIGURES) + 1) + "|"]
    for method, tracker in METHODS.items():
        try:
            lines.append(row(method, measured(worlds, tracker)))
        except EthoposeError as error:
            lines.append(f"| {method} | {error} |")
        sys.stdout.write(f"{name}: {lines[-1]}\n")
    if name in LOOKS:
        more = LOOKS[name]
        seen = [simulate.simulate(**{**settings, **more, "seed": settings["seed"] + s}) for s in SEEDS]
        lines.append(row("ethopose + looks", measured(seen, ours_with_looks)))
        sys.stdout.write(f"{name}: {lines[-1]}\n")
    return [*lines, ""]


def draw_reliability(simulate: Any, path: Path) -> None:
    """How often joins were right, by how sure they were."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(5, 5), layout="constrained")
    axes.plot([0.4, 1], [0.4, 1], color="0.7", label="as sure as right")
    for label, looks, names in (("poses alone", False, WORLDS), ("with looks", True, tuple(LOOKS))):
        sure, right, count = [], [], []
        for name in names:
            more = LOOKS[name] if looks else {}
            world = simulate.simulate(**{**simulate.SCENARIOS[name], **more})
            _, piece, known = followed(world, looks=looks)
            joins = np.stack([known.links.one, known.links.other], 1)
            told = join_reliability(compared(world, piece), joins, known.links.certainty)
            sure.append(told.confidence)
            right.append(told.right)
            count.append(told.count)
        joined = [np.concatenate(each) for each in (sure, right, count)]
        edges = np.clip(((joined[0] - 0.5) / 0.1).astype(int), 0, 4)
        weight = np.bincount(edges, joined[2], 5)
        x, y = (np.bincount(edges, each * joined[2], 5) / np.maximum(weight, 1) for each in joined[:2])
        there = weight > 0
        axes.plot(x[there], y[there], "o-", label=f"{label} ({int(weight.sum()):,} joins)")
    axes.set(
        xlabel="certainty of a join", ylabel="share of them that were right", xlim=(0.45, 1), ylim=(0.3, 1)
    )
    axes.legend()
    figure.savefig(path, dpi=110)


def main() -> None:
    """Everything, or the worlds asked for."""
    ask = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ask.add_argument("data", type=Path)
    ask.add_argument("--only", nargs="*", choices=WORLDS, default=list(WORLDS))
    ask.add_argument("--out", type=Path, default=Path(__file__).parent)
    given = ask.parse_args()
    simulate = simulator(given.data)
    lines = [
        "# Who is who: worlds with a known truth",
        "",
        *map(str, [__doc__.split("\n\n", 2)[2].strip(), ""]),
    ]
    for name in given.only:
        lines += table(simulate, name)
    (given.out / "tracking.md").write_text("\n".join(lines))
    draw_reliability(simulate, given.out / "tracking.png")


if __name__ == "__main__":
    main()
