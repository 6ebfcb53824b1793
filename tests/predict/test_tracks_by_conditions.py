"""Tracking by conditions: row by row what the peer's runner makes of three animals on paper, flaws and all;
and without these where that is asked for."""

from pathlib import Path
from types import SimpleNamespace

import followed_world as world
import numpy as np
import pytest

from ethopose.core import UsageError
from ethopose.models.condition_tracks import kept, similarity
from ethopose.models.conditions import condition_crops
from ethopose.models.grouping.instances import Context, make_instances
from ethopose.models.preparation import Fitted
from ethopose.models.spec import Conditioning, Preparation
from ethopose.predict.by_conditions import ByConditions
from ethopose.predict.following import Seen
from ethopose.predict.profile import Profile

GOLDEN = Path(__file__).parent / "golden/dlc3_tracks.npz"
HOW = Conditioning(bounds=(8, 8), individuals=("a", "b", "c"))
IMAGE = np.zeros((1, *world.SIZE[::-1], 3), np.uint8)


def instances(poses: np.ndarray):
    context, rows = Context(0, None, np.zeros(len(poses), np.int64)), np.arange(len(poses))
    return make_instances(context, rows, poses[..., :2], poses[..., 2], poses[..., 2].sum(-1))


class Truth:
    """A predictor whose networks are the truth."""

    limit = None

    def __init__(self) -> None:
        self.frame, self.asked = 0, []
        stage = SimpleNamespace(preparation=SimpleNamespace(conditions=HOW))
        self.model = SimpleNamespace(spec=SimpleNamespace(stages=(None, stage)))
        self.stages = [self]
        self.stage = SimpleNamespace(preparation=Preparation())

    def prepared(self, images, profile):
        return Fitted(images, np.float32(1)), images

    def animals(self, pictures, batch, profile, *, limit):
        self.asked.append(self.frame)
        return Seen(instances(world.others(self.frame)))

    def conditioned(self, images, told, profile):
        told, _, _ = condition_crops(images, told, (8, 8), HOW)
        poses = np.concatenate((told.xy, told.confidence[..., None]), -1)
        found = np.array([world.network(pose, self.frame) for pose in poses]).reshape(-1, world.KEYPOINTS, 3)
        return told, instances(found), instances(found)


def followed(*, stored: bool = False, **settings) -> tuple[np.ndarray, np.ndarray, Truth]:
    """Which animal (frame, track) each is, -1 for none, and its first keypoint's confidence. `stored`: every
    frame begins with what is known after the last, as if the run had been stopped there."""
    way, truth = ByConditions(**settings), Truth()
    tracking = way.begin(truth)
    animal = np.full((world.FRAMES, world.ANIMALS), -1)
    confidence = np.full(animal.shape, -1.0)
    for truth.frame in range(world.FRAMES):
        if stored:
            state, tracking = tracking.state, way.begin(truth)
            tracking.state = {name: np.array(array.tolist(), float) for name, array in state.items()}
        seen = tracking(IMAGE, Profile())
        distance = np.abs(seen.instances.xy[:, None] - world.truth(truth.frame)[None, ..., :2]).max((-1, -2))
        animal[truth.frame, seen.track] = distance.argmin(-1)
        confidence[truth.frame, seen.track] = seen.instances.confidence[:, 0]
    return animal, confidence, truth


@pytest.mark.parametrize("case", world.CASES)
def test_tracks_are_the_peer_s_row_by_row(case):
    animal, confidence, _ = followed(**world.CASES[case])
    with np.load(GOLDEN) as stored:
        np.testing.assert_array_equal(animal, stored[case])
        np.testing.assert_allclose(confidence, stored[f"{case}/confidence"], atol=1e-6)


@pytest.mark.parametrize("case", world.CASES)
def test_what_is_known_after_a_frame_is_all_that_the_next_one_needs(case):
    (animal, confidence, _), again = followed(**world.CASES[case]), followed(stored=True, **world.CASES[case])
    np.testing.assert_array_equal(animal, again[0])
    np.testing.assert_array_equal(confidence, again[1])


@pytest.mark.parametrize("case", world.CASES)
def test_a_corrected_track_stays_with_its_animal(case):
    animal, _, _ = followed(corrected=True, **world.CASES[case])
    with np.load(GOLDEN) as stored:
        np.testing.assert_array_equal(animal[:11], stored[case][:11])
    for track in animal[:55].T:  # then one leaves, and the nearest is found in its place
        handed_over = np.flatnonzero((track[1:] != track[:-1]) & (track[1:] >= 0) & (track[:-1] >= 0))
        assert not len(handed_over)
    assert (animal[:30, 1] == 1).all()


def test_the_other_model_is_asked_when_it_is_told_to_be():
    assert followed(bu_on_lost_idv=False)[2].asked == [0, 41]  # then nobody is left
    assert followed(bu_on_lost_idv=False, bu_min_frequency=30)[2].asked[:2] == [0, 30]
    assert followed(bu_max_frequency=5, corrected=True)[2].asked[:3] == [0, 11, 16]  # one is lost in frame 10


def test_one_animal_that_was_lost_is_looked_for_again():
    truth = Truth()
    truth.limit = 1
    tracking = ByConditions().begin(truth)
    for truth.frame in (9, 10, 11, 12):
        seen = tracking(IMAGE, Profile())
    assert truth.asked == [9, 11]
    assert len(seen.instances.frame) == 1


def test_poses_are_as_alike_as_the_formula_says():
    known = np.array([[0, 0, 0.5], [10, 20, 0.7]])
    found = known + np.array([3, 0, 0])
    area = 10 * 20 * 0.2
    assert similarity(found, known) == pytest.approx(np.exp(-9 / (2 * area * 0.04)))
    wide = 12 * 22 * 2.2
    assert similarity(found, known, 1.0) == pytest.approx(np.exp(-9 / (2 * wide * 0.04)))
    found[0] = np.nan
    assert similarity(found, known) == pytest.approx(np.exp(-9 / (2 * area * 0.04)) / 2)
    assert np.isnan(similarity(known, found))
    assert np.isnan(similarity(known, np.array([[0, 0, 0.5], [10, 20, 0.5]])))


def test_of_two_tracks_on_one_animal_the_first_in_order_stays():
    poses = np.array([[[0, 0, 0.5], [10, 20, 0.7]]] * 2, np.float32)
    assert kept(poses, np.array([1, 0]), 0.9).tolist() == [False, True]
    assert kept(poses, np.array([1, 0]), 1.1).tolist() == [True, True]


@pytest.mark.parametrize(
    "settings", [{"threshold_nms": 1.5}, {"bu_max_frequency": 0}, {"bu_min_frequency": 0}]
)
def test_settings_that_make_no_sense_are_wrong_use(settings):
    with pytest.raises(UsageError, match="track_conditions"):
        ByConditions(**settings)
