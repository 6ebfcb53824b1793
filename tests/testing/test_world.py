"""Worlds: their truth, their pictures, and that the two agree."""

import time
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ethopose.core import UsageError
from ethopose.core.labels import ABSENT, OCCLUDED, VISIBLE
from ethopose.media import open_video
from ethopose.testing import World, painting
from ethopose.testing.anatomy import PARTS
from ethopose.testing.motion import PERIOD

# Frame 50 of World(animals=3, keypoints=12, alike=False): body, nose and tail's tip; means of the quarters.
RECORDED_XY = [
    [[152.3125, 57.828125], [127.140625, 49.65625], [198.265625, 92.328125]],
    [[145.96875, 100.84375], [171.9375, 95.828125], [89.578125, 117.671875]],
    [[145.96875, 100.84375], [128.28125, 120.515625], [173.96875, 50.75]],
]
RECORDED_QUARTERS = [
    [[189.423, 180.817, 165.631], [173.139, 163.417, 149.667]],
    [[183.68, 174.855, 160.161], [167.822, 159.66, 146.389]],
]
EDGE = np.array([256, 192]) - 0.5


def places(world):
    """Where every keypoint is, in the picture or not: (frame, animal, keypoint, xy)."""
    return world._places.astype(float)


def in_picture(world):
    rows = np.zeros((world.frames, world.animals), bool)
    rows[world.truth.frame, world.truth.individual] = True
    return rows


@given(st.integers(1, 40), st.integers(1, 5))
def test_a_skeleton_is_a_tree_from_the_body_with_mirrored_pairs(keypoints, animals):
    skeleton = World(keypoints=keypoints, animals=animals).skeleton
    assert len(skeleton.keypoints) == keypoints
    assert len(skeleton.individuals) == animals
    assert [child for _, child in skeleton.edges] == list(range(1, keypoints))  # each but the body hangs once
    reached = {0}
    for _ in skeleton.edges:
        reached |= {child for parent, child in skeleton.edges if parent in reached}
    assert reached == set(range(keypoints))
    for left, right in skeleton.symmetries:
        assert skeleton.keypoints[left].replace("left", "right") == skeleton.keypoints[right]


def test_seven_keypoints_are_the_body_its_ends_and_the_paws():
    skeleton = World().skeleton
    assert skeleton.keypoints == PARTS[:7]
    assert len(skeleton.symmetries) == 2


def test_a_world_is_the_same_again_and_another_seed_is_another():
    world, again, other = World(), World(), World(seed=1)
    np.testing.assert_array_equal(world.truth.xy, again.truth.xy)
    np.testing.assert_array_equal(world.images(3, 6), again.images(3, 6))
    assert not np.array_equal(world.image(3), other.image(3))
    assert not np.array_equal(world.truth.xy[:9], other.truth.xy[:9])


def test_the_pictures_and_the_truth_are_those_of_every_other_machine():
    world = World(animals=3, keypoints=12, alike=False)
    image = world.image(50)
    recorded = np.array(RECORDED_XY)
    np.testing.assert_array_equal(world.truth.xy[world.truth.frame == 50][:, (0, 1, 11)], recorded)
    # Means over the picture's quarters: a changed scene shows, one pixel by one grey value does not.
    quarters = image.reshape(2, 96, 2, 128, 3).mean(axis=(1, 3))
    np.testing.assert_allclose(quarters, RECORDED_QUARTERS, atol=0.02)


def test_images_are_cut_from_one_film_wherever_the_cut_is():
    world = World(frames=150, size=(64, 96))
    film = world.images(0, 150)
    assert film.shape == (150, 64, 96, 3)
    assert film.dtype == np.uint8
    np.testing.assert_array_equal(world.images(60, 70), film[60:70])
    np.testing.assert_array_equal(world.image(149), film[149])
    assert world.images(5, 5).shape == (0, 64, 96, 3)


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 10**6), st.integers(1, 4), st.integers(1, 500))
def test_a_longer_world_begins_as_the_shorter_one(seed, animals, frames):
    short = World(animals=animals, seed=seed, frames=frames)
    long = World(animals=animals, seed=seed, frames=frames + 333)
    np.testing.assert_array_equal(places(short), places(long)[:frames])
    np.testing.assert_array_equal(short.image(frames - 1), long.image(frames - 1))


def test_the_keypoints_asked_for_do_not_change_the_animals():
    np.testing.assert_array_equal(World(keypoints=1).image(20), World(keypoints=10).image(20))


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("animals", [2, 3, 6])
def test_in_any_200_frames_two_animals_cross_and_one_is_out_of_the_picture(animals, seed):
    world = World(animals=animals, seed=seed, frames=2000)
    body, inside = places(world)[:, :, 0], in_picture(world)
    crossing, gone = np.zeros(2000, bool), ~inside.all(axis=1)
    for one in range(animals):
        for other in range(one):
            near = np.linalg.norm(body[:, one] - body[:, other], axis=-1) < 0.25 * world.length
            crossing |= near & inside[:, one] & inside[:, other]
    starts = np.arange(0, 1800)
    for happened in (crossing, gone):
        total = np.concatenate([[0], np.cumsum(happened)])
        assert (total[starts + 200] - total[starts]).min() > 0
    assert np.diff(gone.astype(int)).min() == -1  # whoever left comes back
    assert inside[0].all()
    assert PERIOD < 200


def test_an_animal_that_is_out_is_not_to_be_seen():
    world = World(keypoints=12, noise=0, frames=400)
    inside = (places(world) > -0.5) & (places(world) < EDGE)
    away = ~inside.all(axis=-1).any(axis=-1)
    frame = int(np.flatnonzero(away.any(axis=1))[len(np.flatnonzero(away.any(axis=1))) // 2])
    animal = int(np.flatnonzero(~away[frame])[0])
    y, x = np.nonzero(np.abs(world.image(frame).astype(int) - world._arena).sum(axis=-1) > 60)
    centre = places(world)[frame, animal, 0]
    assert np.linalg.norm(np.stack([x, y], 1) - centre, axis=1).max() < 1.4 * world.length


@pytest.mark.parametrize("seed", range(5))
def test_animals_turn_smoothly_and_never_stand_on_end(seed):
    world = World(animals=3, seed=seed, frames=2000)
    xy = places(world)
    steps = np.linalg.norm(np.diff(xy[:, :, 0], axis=0), axis=-1)
    assert steps.min() > 0.3
    assert steps.max() < 0.25 * world.length
    axis = xy[:, :, 0] - xy[:, :, 2]
    heading = np.unwrap(np.arctan2(axis[..., 1], axis[..., 0]), axis=0)
    assert np.degrees(np.abs(np.diff(heading, axis=0))).max() < 12
    along = np.einsum("fax,fax->fa", xy[:, :, 1] - xy[:, :, 0], axis)
    assert along.min() > 0  # the nose stays before the body


def test_paws_swing_with_the_way_that_is_walked():
    world = World(animals=1, keypoints=8, frames=600)
    xy = places(world)[:, 0]
    forwards = xy[:, 7] - xy[:, 0]
    forwards /= np.linalg.norm(forwards, axis=1, keepdims=True)
    swing = np.einsum("fx,fx->f", xy[:, 3] - xy[:, 0], forwards)
    swing -= swing.mean()
    strides = np.sum((swing[1:] > 0) & (swing[:-1] <= 0))
    walked = np.linalg.norm(np.diff(xy[:, 0], axis=0), axis=1).sum()
    assert strides == pytest.approx(walked / (0.6 * world.length), rel=0.1)
    assert np.ptp(swing) > 0.1 * world.length


def test_rows_are_the_animals_in_the_picture_and_keypoints_outside_are_nan():
    world = World(frames=2000, keypoints=12)
    truth, xy = world.truth, places(world)
    inside = np.all((xy >= -0.5) & (xy < EDGE), axis=-1)
    assert 0 < len(truth) < 4000
    np.testing.assert_array_equal(in_picture(world), inside.sum(axis=-1) >= 6)
    seen = ~np.isnan(truth.xy).any(axis=-1)
    np.testing.assert_array_equal(seen, inside[truth.frame, truth.individual])
    assert not seen.all()
    np.testing.assert_array_equal(truth.xy[seen], xy[truth.frame, truth.individual][seen])
    np.testing.assert_array_equal(np.isnan(truth.confidence), ~seen)
    np.testing.assert_array_equal(truth.track, truth.individual)


MARKS = {name: max((s for s in (*painting.UNDER, *painting.OVER) if s.centre == ((name, 1.0),)),
                   key=lambda s: (s.tone != "root") - s.length) for name in PARTS}  # fmt: skip


@pytest.mark.parametrize("part", PARTS)
def test_what_is_drawn_is_where_the_truth_says(part, monkeypatch):
    world = World(animals=1, keypoints=10, noise=0, frames=60)
    plain, mark = world.images(0, 60), MARKS[part]
    tones = painting.palette
    monkeypatch.setattr(painting, "palette", lambda *which: tones(*which) | {"marked": (0, 255, 0)})
    for layer in ("UNDER", "OVER"):
        shapes = [replace(s, tone="marked") if s is mark else s for s in getattr(painting, layer)]
        monkeypatch.setattr(painting, layer, tuple(shapes))
    share = green_share(world.images(0, 60), plain, tones(0, True)[mark.tone])
    errors = centroids(share) - places(world)[:, 0, PARTS.index(part)]
    assert np.median(np.linalg.norm(errors, axis=1)) < 0.1
    assert np.abs(errors.mean(axis=0)).max() < 0.05  # no shift of a fraction of a pixel


def test_a_point_of_the_tail_is_drawn_where_the_truth_says(monkeypatch):
    world = World(animals=1, keypoints=12, noise=0, frames=60)
    plain, tones = world.images(0, 60), painting.palette
    monkeypatch.setattr(painting, "palette", lambda *which: tones(*which) | {"pale": (0, 255, 0)})
    share = green_share(world.images(0, 60), plain, tones(0, True)["pale"])
    tip = places(world)[:, 0, 11]
    inside = np.all((tip > 4) & (tip < EDGE - 5), axis=1)
    errors = centroids(share[inside]) - tip[inside]
    assert inside.sum() > 30
    assert np.median(np.linalg.norm(errors, axis=1)) < 0.1
    assert np.abs(errors.mean(axis=0)).max() < 0.05


def green_share(marked, plain, tone):
    """How much of each pixel the mark covers, from the picture where it is green and the plain one."""
    change = np.array((0, 255, 0.0)) - np.array(tone, float)
    return (marked.astype(float) - plain) @ change / (change @ change)


def centroids(weights):
    y, x = np.mgrid[: weights.shape[1], : weights.shape[2]]
    total = weights.sum(axis=(1, 2))
    return np.stack([(weights * x).sum(axis=(1, 2)) / total, (weights * y).sum(axis=(1, 2)) / total], axis=1)


def test_noise_is_each_frames_own():
    world = World(animals=1, frames=3, noise=4)
    quiet = replace(world, noise=0)
    noise = world.images(0, 3).astype(int) - quiet.images(0, 3)
    assert 3.5 < noise.std() < 4.5
    assert np.corrcoef(noise[0].ravel(), noise[1].ravel())[0, 1] < 0.05


def test_animals_look_alike_unless_told_otherwise():
    def colour(world, animal):
        x, y = np.round(places(world)[0, animal, 0] + places(world)[0, animal, 2]).astype(int) // 2
        return world.image(0)[y - 2 : y + 3, x - 2 : x + 3].mean(axis=(0, 1))

    same, different = World(noise=0), World(noise=0, alike=False)
    assert np.abs(colour(same, 0) - colour(same, 1)).max() < 12
    assert np.abs(colour(different, 0) - colour(different, 1)).max() > 60


def test_more_animals_than_coats_are_told_apart_by_brightness():
    first, seventh = painting.palette(0, False), painting.palette(len(painting.COATS), False)
    assert all(sum(seventh[tone]) < sum(first[tone]) for tone in first)


def test_labels_are_the_truth_of_their_frames_in_the_order_asked(tmp_path):
    world = World()
    labels = world.labels([50, 10, 125], tmp_path / "clip.mp4")
    assert [image.frame for image in labels.images] == [50, 10, 125]
    assert labels.images[0].path == tmp_path / "clip.mp4"
    for index, frame in enumerate((50, 10, 125)):
        np.testing.assert_array_equal(
            labels.poses.xy[labels.poses.frame == index], world.truth.xy[world.truth.frame == frame]
        )


def test_what_lies_outside_the_picture_is_absent():
    labels = World(frames=400).labels(range(400))
    outside = np.isnan(labels.poses.confidence)
    assert outside.any()
    np.testing.assert_array_equal(labels.visibility == ABSENT, outside)


def test_what_lies_under_another_animal_is_occluded():
    world = World(frames=400)
    labels = world.labels(range(400))
    occluded = labels.visibility == OCCLUDED
    assert not occluded[labels.poses.individual == 1].any()  # the last lies on top
    below = labels.poses.individual == 0
    body = places(world)[labels.poses.frame[below]]
    near = np.linalg.norm(body[:, 0, 0] - body[:, 1, 0], axis=-1)
    assert occluded[below][near < 0.1 * world.length, 0].all()
    assert (labels.visibility[below][near > 2 * world.length] != OCCLUDED).all()
    assert (labels.visibility == VISIBLE).mean() > 0.8


def test_labels_of_no_frames_are_none():
    labels = World().labels([])
    assert labels.images == ()
    assert len(labels.poses) == 0


def test_200_000_frames_of_truth_are_a_matter_of_seconds():
    start = time.perf_counter()
    assert len(World(frames=200_000).truth) > 300_000
    assert time.perf_counter() - start < 5


@pytest.mark.parametrize(
    "wrong", [{"animals": 0}, {"frames": 0}, {"keypoints": 0}, {"size": (8, 80)}, {"seed": -1}, {"fps": 0}]
)
def test_a_world_that_cannot_be_is_refused(wrong):
    with pytest.raises(UsageError):
        World(**wrong)


def test_frames_beyond_the_world_are_refused():
    with pytest.raises(UsageError, match="240"):
        World().image(240)
    with pytest.raises(UsageError, match="240"):
        World().labels([240])
    with pytest.raises(UsageError):
        World().image(-1)


def test_a_written_world_is_every_frame_in_order(tmp_path):
    world = World(frames=130, size=(64, 96), fps=25, noise=0)
    video = open_video(world.write(tmp_path / "clip.mp4"))
    assert (len(video), video.fps, video.shape) == (130, 25, (64, 96, 3))
    read = np.concatenate([block.image for block in video.blocks(None, 50)]).astype(int)
    film = world.images(0, 130)
    apart = [np.abs(read[5:-5] - film[5 + shift : 125 + shift]).mean(axis=(1, 2, 3)) for shift in (-3, 0, 3)]
    assert (np.argmin(apart, axis=0) == 1).all()
