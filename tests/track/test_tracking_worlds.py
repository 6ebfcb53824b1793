"""Simulated worlds with a known truth (`shared/data/tracking`): what tracking must come to on them."""

import statistics
import sys
from collections.abc import Iterable
from importlib.util import module_from_spec, spec_from_file_location

import numpy as np
import pytest

from ethopose.core import Poses, Skeleton
from ethopose.formats import read_poses
from ethopose.metrics import Sightings, closeness, identity, join_reliability, sightings
from ethopose.track import Memory, Rows, follow, in_chunks

# by world: switches, misses, false positives at most; HOTA, IDF1 at least
BARS = {
    "sparse": {"switches": 4, "idf1": 0.85},
    "crossings": {"switches": 60, "misses": 500},
    "crowd": {"switches": 400, "hota": 0.33},
    "ghosts": {"switches": 200, "false_positives": 600},
    "fast": {"switches": 150, "misses": 400},
}
LOOKS = {"crossings": {"app_dim": 16, "app_noise": 0.8}, "shelters": {}, "huddle": {}}


SEEDS = (0, 100, 200)  # that are added to a world's own: the middle one of three counts


@pytest.fixture(scope="session")
def simulate(shared_data):
    spec = spec_from_file_location("tracking_simulator", shared_data / "tracking" / "simulate.py")
    module = module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)

    def world(name, seed=0, **more):
        settings = {**module.SCENARIOS[name], **more}
        return module.simulate(**{**settings, "seed": settings["seed"] + seed})

    return world


def followed(world: dict, *, looks: bool):
    """Chunks of rows with their tracklets, and what is known of them."""
    frame = world["det_frame"].astype(np.int64)
    vector = world["det_app"] if looks else np.zeros((len(frame), 0), np.float32)
    rows = [Rows(frame, world["det_xy"], world["det_conf"], vector)]
    spool = Memory()
    known = follow(lambda: rows, world["gt_visible"].shape[1], spool, looks=looks)
    return list(zip(in_chunks(rows), spool, strict=True)), known


def compared(world: dict, track: np.ndarray) -> Sightings:
    frames, animals = world["gt_visible"].shape
    skeleton = Skeleton(tuple(f"k{k}" for k in range(world["det_xy"].shape[1])))
    there = track >= 0
    found = poses(skeleton, world["det_frame"][there], world["det_xy"][there], track[there])
    who = np.where(world["gt_visible"], np.arange(animals), -1).ravel()
    xy = world["gt_xy"].reshape(frames * animals, -1, 2)
    truth = poses(skeleton, np.repeat(np.arange(frames), animals), xy, who)
    return sightings(found, truth, likeness=closeness(float(world["body"][0])))


def poses(skeleton: Skeleton, frame: np.ndarray, xy: np.ndarray, track: np.ndarray) -> Poses:
    sure = np.ones(xy.shape[:2], np.float32)
    columns = frame.astype(np.int64), xy.astype(np.float32), sure, sure[:, 0], track.astype(np.int32)
    return Poses(skeleton, *columns)


def measured(worlds: list[dict], names: Iterable[str], *, looks: bool = False) -> dict[str, float]:
    """The middle of the worlds' figures."""
    told = []
    for world in worlds:
        chunks, known = followed(world, looks=looks)
        track = np.concatenate([known.of(rows, of)[0] for rows, of in chunks])
        told.append(identity(compared(world, track)))
    return {name: statistics.median(getattr(each, name) for each in told) for name in names}


@pytest.mark.parametrize("name", BARS)
def test_a_world_is_tracked_as_well_as_it_must(simulate, name):
    for figure, value in measured([simulate(name, seed) for seed in SEEDS], BARS[name]).items():
        bar = BARS[name][figure]
        assert value >= bar if figure in ("hota", "idf1") else value <= bar, f"{figure}: {value}, bar {bar}"


@pytest.mark.parametrize("name", LOOKS)
def test_looks_keep_identities(simulate, name):
    for seed in SEEDS:
        world = simulate(name, seed, **LOOKS[name])
        assert measured([world], ["idf1"], looks=True)["idf1"] >= 0.97


def test_where_nobody_meets_nobody_is_taken_for_another(simulate):
    assert measured([simulate("sparse", meet=0)], ["switches"]) == {"switches": 0}


@pytest.mark.parametrize("looks", [False, True])
def test_joins_are_right_as_often_as_they_are_sure(simulate, looks):
    sure, right = [], []
    for name in ("crossings", "crowd", "ghosts") if not looks else ("crossings", "shelters", "huddle"):
        world = simulate(name, **(LOOKS[name] if looks else {}))
        chunks, known = followed(world, looks=looks)
        ends = np.concatenate([known.end(rows, of) for rows, of in chunks])
        joins = np.stack([known.links.one, known.links.other], 1)
        told = join_reliability(compared(world, ends), joins, known.links.certainty)
        sure += [told.confidence * told.count]
        right += [told.right * told.count]
        assert told.auroc > 0.65
    said, were = np.concatenate(sure).sum(), np.concatenate(right).sum()
    assert said == pytest.approx(were, rel=0.12)


def test_of_flies_that_were_found_badly_few_switches_are_left(shared_data):
    """Heads of one with the thorax of the other: with all rows on two tracks 62 is the least there can be, as
    the recordings count switches: by the nearest fly to each row. The tools' defaults come to 112."""
    folder = shared_data / "tracks"
    _, found = read_poses(folder / "clip.untracked.slp")
    _, truth = read_poses(folder / "clip.2node.slp")
    flies = found.poses
    nearest = np.full(len(flies), -1)
    for row, (frame, xy) in enumerate(zip(flies.frame, flies.xy, strict=True)):
        those = truth.poses.frame == frame
        far = np.nanmean(np.linalg.norm(truth.poses.xy[those] - xy, axis=-1), -1)
        nearest[row] = truth.poses.track[those][np.nanargmin(far)]
    rows = [Rows(flies.frame, flies.xy, flies.confidence, np.zeros((len(flies), 0), np.float32))]
    spool = Memory()
    known = follow(lambda: rows, 2, spool)
    track = np.concatenate([known.of(each, of)[0] for each, of in zip(in_chunks(rows), spool, strict=True)])
    switches = sum(
        int((np.diff(track[(nearest == fly) & (track >= 0)]) != 0).sum()) for fly in np.unique(nearest)
    )
    assert (track >= 0).mean() > 0.93
    assert switches <= 80
