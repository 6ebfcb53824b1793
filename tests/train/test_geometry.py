"""Every geometric step there and back: labels say what pictures show, in training as in predict."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from beacons import SIGMA, SKELETON, beacons, centres, labelled_spots, spots
from hypothesis import example, given, settings
from hypothesis import strategies as st
from torch.nn import functional

import ethopose
from ethopose.families import native
from ethopose.models.build import build
from ethopose.models.heads import HEADS
from ethopose.models.heads.head import Truth
from ethopose.models.preparation import crop, fit, scaled, to_pictures, unscaled
from ethopose.models.spec import ModelSpec, Network, Part, Preparation, Stage
from ethopose.train.augment import bending, draw, move
from ethopose.train.batches import Batches
from ethopose.train.config import Augmentation, Loop
from ethopose.train.devices import make_fabric
from ethopose.train.examples import Examples, load_pictures, order, scaled_size
from ethopose.train.validation import Validation

PLAIN = {"brightness": 0, "contrast": 0, "gamma": 0, "noise": 0, "blur": 0, "erase": 0}
SIZES = [(90, 130), (110, 100), (90, 130), (128, 128)]  # of pictures
CPU = torch.device("cpu")
far_from_edges = 5 * SIGMA


def some_points(rng: np.random.Generator, sizes=SIZES, edge: float = far_from_edges) -> np.ndarray:
    """Three keypoints in each picture, away from its edges."""
    room = np.array(sizes, float)[:, None, ::-1] - 1 - 2 * edge
    return edge + room * rng.random((len(sizes), 3, 2))


def examples(xy: np.ndarray, centre: np.ndarray, sizes=SIZES, sigma: float = SIGMA) -> Examples:
    pictures = np.zeros((len(sizes), *np.max(sizes, 0), 3), np.uint8)
    for picture, points, size in zip(pictures, xy, sizes, strict=True):
        picture[: size[0], : size[1]] = spots(points, size, sigma)
    return Examples(
        pictures,
        np.array(sizes),
        np.arange(len(sizes)),
        xy[:, None].astype(np.float32),
        np.full((len(sizes), 1), -1),
        centre.astype(np.float32),
        1.0,
    )


def batches(data: Examples, window: tuple[int, int], how: Augmentation, seed: int = 0) -> Batches:
    return Batches(data, window, how, SKELETON, batch=len(data), seed=seed, device=CPU)


def errors(batch, mirrored: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """How far labels are from what the pictures show, px, where whole spots are to be seen."""
    shown = centres(batch.images.double()).numpy()
    shown[mirrored] = shown[mirrored][:, [1, 0, 2]]  # what was left is right
    said = batch.truth.xy[:, 0].numpy()
    height, width = batch.images.shape[2:]
    edge = np.minimum(said, np.array((width, height)) - 1 - said).min(-1)
    whole = edge > 5 * SIGMA * 1.5
    return np.linalg.norm(shown - said, axis=-1)[whole], whole


ways = st.fixed_dictionaries(
    {
        "rotation": st.sampled_from([0, 20, 90, 180]),
        "zoom": st.sampled_from([(1, 1), (0.7, 1.4), (1.4, 1.4), (0.7, 0.7)]),
        "shift": st.sampled_from([0, 0.12]),
        "flip": st.booleans(),
    }
)


@settings(max_examples=60, deadline=None)
@given(
    way=ways,
    seed=st.integers(0, 10**6),
    window=st.sampled_from([(128, 160), (96, 128), (96, 96)]),
    around=st.booleans(),
    bend=st.sampled_from([0, 0.04]),
)
@example(
    way={"rotation": 180, "zoom": (0.7, 1.4), "flip": True}, seed=3, window=(128, 160), around=True, bend=0
)
def test_a_keypoint_is_where_the_augmented_picture_shows_it(way, seed, window, around, bend):
    xy = some_points(np.random.default_rng(seed))
    centre = xy.mean(1) if around else np.full((len(xy), 2), np.nan)
    how = Augmentation(**way, **PLAIN, bend=bend)
    sigma = 1.3 if bend else SIGMA  # a bent spot is no spot any more
    made = batches(examples(xy, centre, sigma=sigma), window, how, seed)
    for step in range(2):
        chance = draw(how, len(xy), (seed, step))
        error, _ = errors(made(step, slice(0, len(xy)), 1.0), chance.flip)
        # a bent spot's middle is not where the bend takes its centre, the less so the more it is enlarged
        assert (error < (0.35 * max(way["zoom"]) if bend else 0.1)).all(), error


def test_most_spots_are_measured_and_mirrors_do_happen():
    """Without this the property above could hold of nothing."""
    xy = some_points(np.random.default_rng(0))
    how = Augmentation(flip=True, **PLAIN)
    made = batches(examples(xy, xy.mean(1)), (128, 160), how)
    seen = [errors(made(step, slice(0, 4), 1.0), draw(how, 4, (0, step)).flip)[1].mean() for step in range(8)]
    assert np.mean(seen) > 0.4
    assert 0 < np.mean([draw(how, 4, (0, step)).flip for step in range(8)]) < 1


def test_a_keypoint_out_of_the_window_is_none_and_one_at_its_edge_is_kept():
    xy = np.array([[(-0.4, 5), (63.4, 20), (64.6, 20)]])
    data = examples(xy, np.full((1, 2), np.nan), [(64, 64)])
    said = batches(data, (64, 64), Augmentation()).plain(np.arange(1)).truth.xy[0, 0]
    assert said.isfinite().all(-1).tolist() == [True, True, False]


@pytest.mark.parametrize("window", [(64, 64), (64, 256), (256, 64)])
def test_no_bend_folds_a_picture(window):
    how = Augmentation()
    for step in range(40):
        bend = bending(torch.from_numpy(draw(how, 8, (1, step)).bend), window)
        assert bend[:, 0].diff(dim=-1).min() > -1
        assert bend[:, 1].diff(dim=-2).min() > -1
        slopes = [bend[:, axis].diff(dim=way).abs().max() for axis in (0, 1) for way in (-1, -2)]
        assert max(slopes) < 0.8


@settings(max_examples=40, deadline=None)
@given(bend=st.floats(0.01, 0.08), seed=st.integers(0, 10**6), window=st.sampled_from([(96, 96), (64, 160)]))
def test_however_much_is_bent_a_keypoint_is_found_again(bend, seed, window):
    """What the window shows at the keypoint's new place is what was at its old one."""
    moved = bending(torch.from_numpy(draw(Augmentation(bend=bend), 4, (seed, 0)).bend), window)
    size = np.array(window[::-1], np.float32)
    old = torch.from_numpy(np.random.default_rng(seed).uniform(0, size - 1, (4, 1, 6, 2)).astype(np.float32))
    still = torch.eye(2, 3).expand(4, 2, 3)
    new = move(old, still, torch.zeros(4, dtype=torch.bool), torch.arange(6), moved)[:, 0]
    grid = (new.nan_to_num() + 0.5) / torch.from_numpy(size) * 2 - 1
    shown = functional.grid_sample(moved, grid[:, None], padding_mode="border", align_corners=False)
    gap = (new + shown[:, :, 0].transpose(1, 2) - old[:, 0]).abs()
    assert gap.nan_to_num().max() < 0.05
    assert gap.isfinite().float().mean() > 0.5


def test_windows_of_a_larger_picture_reach_all_of_it():
    rng = np.random.default_rng(0)
    sizes = [(128, 192)] * 8
    xy = some_points(rng, sizes, edge=4)
    made = batches(examples(xy, np.full((8, 2), np.nan), sizes), (64, 64), Augmentation(**PLAIN))
    seen = np.zeros((8, 3), int)
    for step in range(200):
        rows = order(8, made.batch, step, made.seed)
        seen[rows] += made(step, slice(0, 8), 1.0).truth.xy[:, 0].isfinite().all(-1).numpy()
    assert (seen > 0).all()


def test_pictures_that_are_only_ever_enlarged_are_checked_on_whole():
    rng, sizes = np.random.default_rng(0), [(128, 192)] * 8
    xy = some_points(rng, sizes, edge=4)
    how = Augmentation(**{**PLAIN, "zoom": (1.5, 2.5)})
    data = examples(xy, np.full((8, 2), np.nan), sizes)
    plain = batches(data, (128, 192), how).plain(np.arange(8))
    seen = (255 * plain.images).round().byte().permute(0, 2, 3, 1).numpy()
    np.testing.assert_allclose(seen.astype(int), data.pictures, atol=1)


@settings(max_examples=60, deadline=None)
@given(scale=st.sampled_from([1.0, 0.73, 0.5, 0.31]), seed=st.integers(0, 10**6))
def test_coordinates_go_to_pictures_and_back(scale, seed):
    preparation = Preparation(scale=scale, exact=True)
    xy = np.random.default_rng(seed).uniform(-5, 2000, (7, 2)).astype(np.float32)
    np.testing.assert_allclose(unscaled(scaled(xy, preparation), preparation), xy, atol=1e-3)


@settings(max_examples=40, deadline=None)
@given(
    scale=st.sampled_from([1.0, 0.73, 0.5]),
    seed=st.integers(0, 10**6),
    side=st.sampled_from([(64, 64), (71, 53), (96, 120)]),
)
def test_crops_of_predict_and_windows_of_training_show_the_same(scale, seed, side):
    """Both name the place of a spot in the frame from what their pictures show."""
    rng = np.random.default_rng(seed)
    size = (150, 170)
    middle = rng.uniform((50, 50), (120, 100), (1, 2))
    xy = middle[:, None] + rng.uniform(-12, 12, (1, 3, 2))
    frame = spots(xy[0], size, 3.0)[None]
    preparation = Preparation(color="rgb", scale=scale, crop=side, exact=True, pad_to=32)
    windows, corner = crop(
        fit(frame, preparation).images, np.zeros(1, int), middle.astype(np.float32), preparation
    )
    picture = torch.from_numpy(to_pictures(windows, preparation)).permute(0, 3, 1, 2).double()
    found = unscaled(centres(picture).numpy().astype(np.float32), preparation) + corner[:, None]
    assert np.abs(found - xy).max() < 0.1

    whole = preparation.model_copy(update={"pad_to": 1})
    small = to_pictures(frame, whole)
    data = Examples(
        small,
        scaled_size(np.array([size]), preparation),
        np.zeros(1, int),
        scaled(xy[:, None].astype(np.float32), preparation),
        np.zeros((1, 1), int),
        scaled(middle.astype(np.float32), preparation),
        scale,
    )
    batch = batches(data, (96, 96), Augmentation()).plain(np.zeros(1, int))
    assert np.abs(centres(batch.images.double()).numpy() - batch.truth.xy[:, 0].numpy()).max() < 0.1


HEADS_OF_ONE = [
    Part(name="probability_map", options={"stride": 4, "sigma": 1.5}),
    Part(name="confidence_map", options={"stride": 4, "sigma": 1.5, "refinement": "offset"}),
    Part(name="confidence_map", options={"stride": 4, "sigma": 1.5, "refinement": "gaussian"}),
    Part(name="simcc", options={"size": (96, 128), "sigma": 3.0}),
]


@pytest.mark.parametrize("part", HEADS_OF_ONE, ids=lambda p: f"{p.name}-{p.options.get('refinement', '')}")
@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10**6), scale=st.sampled_from([1.0, 0.73, 0.5]))
def test_targets_decode_to_the_keypoints_of_the_frame(part, seed, scale):
    rng = np.random.default_rng(seed)
    preparation = Preparation(scale=scale, exact=True)
    xy = (rng.uniform((10, 10), (117, 85), (2, 1, 3, 2)) / scale).astype(np.float32)
    head = HEADS.build(part.name, {4: 8, 32: 8}, keypoints=3, **part.options)
    truth = Truth(torch.from_numpy(scaled(xy, preparation)), torch.full((2, 1), -1), (96, 128))
    targets = head.targets(truth)
    ideal = {name: target.nan_to_num() for name, target in targets.items()}
    for name in {"logits", "x", "y"} & ideal.keys():
        ideal[name] = ideal[name].clamp_min(1e-12).log()
    if "visible" in ideal:
        ideal["visible"] = torch.full_like(ideal["visible"], 20.0)
    found = head.decode(ideal, {})
    best = found["value"].argmax(-1)
    points = found["xy"].gather(2, best[..., None, None].expand(-1, -1, 1, 2))[:, :, 0].numpy()
    assert np.abs(unscaled(points, preparation) - xy[:, 0]).max() < 0.1 / scale
    assert found["value"].max(-1).values.min() > 0.75


def beacon_stage(kind: str, scale: float) -> Stage:
    side = (round(64 / scale), round(64 / scale)) if kind == "instance" else None
    return Stage(
        preparation=Preparation(color="rgb", scale=scale, crop=side, exact=True, pad_to=32),
        network=Network(
            in_channels=3,
            backbone=Part(name="glass"),
            heads=(Part(name="beacon", options={"together": kind == "centroid"}),),
        ),
        grouping=Part(name="one_per_peak" if kind == "centroid" else "one_each"),
        peak_threshold=0.1,
    )


@pytest.mark.parametrize("scale", [1.0, 0.73, 0.5])
@pytest.mark.parametrize("stages", [("single",), ("centroid", "instance")], ids="-".join)
def test_predict_says_where_a_network_sees_keypoints(stages, scale, tmp_path):
    rng = np.random.default_rng(4)
    sizes = [(150, 170)] * 6
    xy = rng.uniform((50, 50), (110, 90), (6, 1, 2)) + rng.uniform(-15, 15, (6, 3, 2))
    labels = labelled_spots(tmp_path / "clip", xy, sizes)
    kind = "single" if len(stages) == 1 else "top-down"
    with beacons():
        spec = ModelSpec(
            name="seer",
            family="ethopose",
            kind=kind,
            skeleton=SKELETON,
            stages=tuple(beacon_stage(name, scale) for name in stages),
        )
        native.write(tmp_path / "seer", spec, [{"backbone.still": torch.zeros(1)}] * len(stages))
        ethopose.predict(
            tmp_path / "clip",
            tmp_path / "seer",
            out=tmp_path / "r",
            runtime="torch",
            format="none",
            threads=1,
        )
        found = ethopose.read(tmp_path / "r").poses
    assert found.frame.tolist() == list(range(6))
    assert np.abs(found.xy - labels.poses.xy).max() < 0.1


@pytest.mark.parametrize("scale", [1.0, 0.73, 0.5])
@pytest.mark.parametrize("kind", ["single", "instance"])
def test_validation_finds_no_error_in_a_network_that_sees(kind, scale, tmp_path):
    rng = np.random.default_rng(4)
    sizes = [(150, 170), (140, 150), (150, 170), (160, 128)]
    xy = rng.uniform((50, 50), (80, 90), (4, 1, 2)) + rng.uniform(-15, 15, (4, 3, 2))
    labels = labelled_spots(tmp_path / "images", xy, sizes)
    stage = beacon_stage(kind, scale)
    load_pictures(labels, np.array(sizes), stage.preparation, tmp_path / "p.npy", lambda *told: None)
    where = xy[:, None].astype(np.float32)
    middle = where[:, 0].mean(1) if kind == "instance" else np.full((4, 2), np.nan, np.float32)
    data = Examples(
        np.load(tmp_path / "p.npy"),
        scaled_size(np.array(sizes), stage.preparation),
        np.arange(4),
        scaled(where, stage.preparation),
        np.full((4, 1), -1),
        scaled(middle, stage.preparation),
        scale,
    )
    window = (64, 64) if kind == "instance" else (160, 192)
    fabric = make_fabric(Loop(device="cpu", threads=1, precision="fp32"))
    with beacons():
        check = Validation(batches(data, window, Augmentation()), stage, SKELETON, 30.0)
        told = check(build(stage), fabric)
    assert told.missing == 0
    assert told.mean < 0.1
