"""Networks that are told conditions are taught what they will read: crops around poses with mistakes."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from small_donors import SIMCC
from small_trainings import conditions_file, tiny

import ethopose
from ethopose.core import SpecError
from ethopose.models.conditions import Conditions, condition_crops
from ethopose.models.conditions import painted as painted_in_frames
from ethopose.models.spec import Conditioning
from ethopose.testing import World
from ethopose.train import prepare
from ethopose.train.batches import Batch
from ethopose.train.conditioned import ConditionedBatches, painted
from ethopose.train.config import Augmentation
from ethopose.train.examples import Examples
from ethopose.train.mistakes import FAR, LITTLE, LOST, mistaken
from ethopose.train.wishes import configured

WORLD = World(animals=2, keypoints=3, size=(64, 96), frames=6, seed=3)
WINDOW = (64, 96)
BACKBONE = {
    "name": "conditioned",
    "options": {"inner": "cspnext", "options": {"width": 0.125, "depth": 0.33}, "width": 8},
}
TELLS = {**BACKBONE, "options": {**BACKBONE["options"], "conditions": 3}}
STEADY = Augmentation(rotation=0, zoom=(1, 1), shift=0, bend=0, brightness=0, contrast=0, gamma=0, noise=0)


@pytest.fixture(autouse=True)
def _cache(network_cache):
    """Converted networks of tests stay out of the user's own."""


def batches(how: Augmentation = STEADY, **cut: object) -> ConditionedBatches:
    """Of both animals of all pictures of the world."""
    poses = WORLD.labels(range(WORLD.frames)).poses
    xy = poses.xy.reshape(WORLD.frames, 2, 3, 2)
    both = np.concatenate((xy, xy[:, ::-1]))
    count = len(both)
    examples = Examples(
        pictures=WORLD.images(0, WORLD.frames),
        size=np.tile(WORLD.size, (WORLD.frames, 1)),
        picture=np.arange(count) % WORLD.frames,
        xy=np.ascontiguousarray(both),
        individual=np.zeros((count, 2), np.int64),
        centre=np.zeros((count, 2), np.float32),
        scale=1.0,
        conditions=Conditioning(**cut),
    )
    how = how.model_copy(update={"blur": 0.0, "erase": 0.0})
    return ConditionedBatches(
        examples, WINDOW, how, WORLD.skeleton, batch=count, seed=5, device=torch.device("cpu")
    )


def crops_of(made: ConditionedBatches) -> tuple[np.ndarray, np.ndarray]:
    """What a prediction reads of the poses that are told plainly, and where it tells the true ones."""
    data, told = made.examples, made._always
    conditions = Conditions(data.picture, told, np.ones(told.shape[:2]))
    how = data.conditions
    assert how is not None
    _, crops, pictures = condition_crops(data.pictures, conditions, WINDOW, how)
    return pictures, (data.xy[:, 0] - crops.corner[:, None]) / crops.scale[:, None]


@pytest.mark.parametrize("cut", [{}, {"context": True}, {"margin": 4, "grown": 3}], ids=str)
def test_a_network_is_taught_the_crops_that_it_will_read(cut):
    made = batches(**cut)
    batch = made.plain(np.arange(len(made.examples)))
    wanted, places = crops_of(made)
    seen = 255 * batch.images.permute(0, 2, 3, 1).numpy()
    np.testing.assert_array_equal(seen[..., 3:], wanted[..., 3:])
    shown = (wanted[..., :3] > 0).all(-1)
    assert (((seen[..., :3] > 0).all(-1)) == shown).mean() > 0.95
    blended = np.ones((19, 19))  # where a box ends, a prediction repeats or fills
    inside = [cv2.erode(each.astype(np.uint8), blended, borderValue=0) > 0 for each in shown]
    assert np.abs(seen[..., :3] - wanted[..., :3])[np.array(inside)].max() < 1.5
    xy = batch.truth.xy[:, 0].numpy()
    there = np.isfinite(xy).all(-1)
    assert there.mean() > 0.9
    np.testing.assert_allclose(xy[there], places[there], atol=2e-3)
    assert np.isfinite(batch.scale).all()


def test_turned_pictures_are_cut_around_turned_conditions():
    made = batches(Augmentation(rotation=180, zoom=(0.5, 2), bend=0, flip=True), margin=6)
    batch = made(3, slice(0, 12), 1.0)
    fills = []
    for told, scale in zip(batch.images[:, 3:], batch.scale[:, ::-1], strict=True):
        cells = np.argwhere(told.numpy())[:, 1:]
        lacking = WINDOW - (cells.max(0) - cells.min(0) + 2 * 6 * scale)
        fills.append(np.abs(lacking).min() < 2 * scale.max())
    assert np.mean(fills) > 0.6  # others are at the border of the frame
    assert_same(batch, made(3, slice(0, 12), 1.0))


def test_processes_see_their_rows_of_one_batch():
    made = batches(Augmentation(rotation=30, shift=0))
    whole, part = made(2, slice(0, 12), 1.0), made(2, slice(4, 9), 1.0)
    torch.testing.assert_close(whole.images[4:9, 3:], part.images[:, 3:])
    torch.testing.assert_close(whole.images[4:9], part.images, rtol=0, atol=2e-3)


def assert_same(one: Batch, other: Batch) -> None:
    assert torch.equal(one.images, other.images)
    torch.testing.assert_close(one.truth.xy, other.truth.xy, equal_nan=True, rtol=0, atol=0)


@given(st.lists(st.tuples(*[st.floats(-3, 67, width=32)] * 2), min_size=1, max_size=5))
def test_conditions_are_painted_as_in_a_prediction(points):
    xy = np.array([points], np.float32)
    wanted = painted_in_frames(xy, np.ones(xy.shape[:2]), (64, 64), (64, 64))
    ours = painted(torch.from_numpy(xy), (64, 64), (64, 64))
    np.testing.assert_array_equal(255 * ours.permute(0, 2, 3, 1).numpy(), wanted)


SIDE = 100.0


def mistakes(xy: np.ndarray, other: np.ndarray | None = None, n: int = 4000) -> np.ndarray:
    many = np.tile(np.asarray(xy, np.float32)[None], (n, 1, 1, 1))
    return mistaken(many, np.full(n, SIDE, np.float32), other, (1, 2))


def test_mistakes_are_as_frequent_and_as_large_as_the_peer_s():
    apart = [[[0, 0], [1000, 0]], [[0, 1000], [1000, 1000]]]  # two animals of two keypoints
    told = mistakes(apart, np.array([1, 0]))[:, 0]
    away = np.linalg.norm(told[:, None] - np.reshape(apart, (4, 2)), axis=-1)
    own, across, beside = away[:, 0], away[:, 1], away[:, 2:].min(1)
    shares = [
        np.mean(own <= LITTLE * SIDE),
        np.mean((own > LITTLE * SIDE) & (own <= FAR * SIDE)),
        np.mean((own > FAR * SIDE) & (own <= LOST * SIDE)),
        np.mean(across <= FAR * SIDE),
        np.mean(beside <= FAR * SIDE),
    ]
    assert np.allclose(shares, (0.63, 0.16, 0.10, 0.03, 0.08), atol=0.025)


def test_a_mistake_is_nearer_to_what_it_stands_for_than_to_anything_else():
    close = np.array([[[0, 0], [12, 0]]], np.float32)  # nearer than a mistake may be large
    told = mistakes(close, np.array([1, 0]))
    to_own, to_other = (np.linalg.norm(told[:, 0] - close[0, n], axis=-1) for n in (0, 1))
    little = to_own <= LITTLE * SIDE
    assert (to_other[little] > to_own[little]).mean() > 0.95


def test_what_is_absent_is_not_told_and_what_cannot_be_mistaken_is_not():
    lonely = [[[10, 10], [np.nan, np.nan]]]
    for other in (None, np.array([1, 0])):
        told = mistakes(lonely, other)
        assert np.isnan(told[:, 1]).all()
        assert (np.linalg.norm(told[:, 0] - 10, axis=-1) <= LOST * SIDE + 1e-3).all()
    assert np.isfinite(mistakes([[[5, 5]]])).all()  # of one keypoint there is no other side


def configuration(**stage: object) -> dict:
    stage = {"backbone": BACKBONE, "heads": [SIMCC], **stage}
    return tiny(kind="conditional", stages={"conditional": stage})


@pytest.mark.slow
def test_a_conditional_model_learns_from_nothing_and_is_run_in_every_way(two, tmp_path):
    how = configuration(steps=120)
    how["loop"] = {**how["loop"], "patience": None}
    trained = ethopose.train(two, tmp_path / "m", config=how)
    assert trained.rows[-1].loss < 0.8 * trained.rows[0].loss
    again = prepare(configured((), tmp_path / "m/training/config.yaml", {}), tmp_path / "m", two)
    assert again.spec == ethopose.load(tmp_path / "m", alone=True).spec
    clip, where = two.images[0].path, {"format": "none", "runtime": "torch", "threads": 1}
    told = conditions_file(two, tmp_path / "told.json")
    ethopose.predict(clip, tmp_path / "m", out=tmp_path / "r", conditions=told, **where)
    poses = ethopose.read(tmp_path / "r").poses
    assert len(poses) == len(two.poses)
    assert np.nanmedian(np.linalg.norm(poses.xy - two.poses.xy, axis=-1)) < 12

    first = tiny(kind="bottom-up", every_stage={"steps": 2})
    ethopose.train(two, tmp_path / "first", config=first)
    pair = [tmp_path / "m", tmp_path / "first"]
    ethopose.predict(clip, pair, out=tmp_path / "p", peak_threshold=0.0, **where)
    ethopose.predict(clip, pair, out=tmp_path / "t", track_conditions="default", **where)
    assert ethopose.read(tmp_path / "t").tracks == two.poses.skeleton.individuals
    ethopose.convert(pair, tmp_path / "both")
    assert len(ethopose.load(tmp_path / "both").spec.stages) == 2


REFUSED = {
    "no backbone that is told conditions": {"backbone": None},
    "the backbone nano reads 0 conditions, and is told 3": {
        "backbone": {"name": "nano", "options": {"width": 8}}
    },
    "the backbone conditioned reads 5 conditions, and is told 3": {
        "backbone": {**BACKBONE, "options": {**BACKBONE["options"], "conditions": 5}}
    },
    "conditional: a scale, and crops of one size": {"scale": 0.5},
    "a window of 96 x 96 px, and heads that read 64 x 64 px": {"window": (96, 96)},
}


@pytest.mark.parametrize("why", REFUSED)
def test_what_a_conditional_model_cannot_be_is_one_clear_line(why, two, tmp_path):
    how = configuration(**REFUSED[why])
    if how["stages"]["conditional"]["backbone"] is None:
        del how["stages"]["conditional"]["backbone"], how["every_stage"]["backbone"]
    with pytest.raises(SpecError, match=why):
        prepare(configured((), how, {}), tmp_path / "m", two)


def test_what_only_a_conditional_model_takes_is_refused_of_others(two, tmp_path):
    for kind, stage, why in (
        ("top-down", {"instance": {"conditions": {"margin": 5}}}, "conditions are for a conditional model"),
        ("bottom-up", {"bottom-up": {"backbone": TELLS}}, "reads 3 conditions, and is told 0"),
    ):
        with pytest.raises(SpecError, match=why):
            prepare(configured((), tiny(kind=kind, stages=stage), {}), tmp_path / "m", two)
    for more, why in (
        ({"augmentation": {"shift": 0.1}}, "augmentation.shift: crops are cut around conditions"),
        ({"identity": True}, "a conditional model tells no individuals apart"),
    ):
        with pytest.raises(SpecError, match=why):
            prepare(configured((), {**configuration(), **more}, {}), tmp_path / "m", two)
