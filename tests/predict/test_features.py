"""What keypoints look like is kept during prediction: of each row its own keypoints, never another's."""

import itertools

import cv2
import numpy as np
import pytest
import torch
from torch.nn import functional

import ethopose
from clips import BATCH
from commands import parts
from ethopose import families
from ethopose.core import ResultError, UsageError
from ethopose.media import open_video
from ethopose.models.boxes import cut
from ethopose.models.build import build_trained, read_at_keypoints
from ethopose.models.preparation import fit, to_pictures
from ethopose.predict import Options, predict_all, video
from ethopose.predict.predictor import Predictor
from ethopose.predict.profile import Profile
from ethopose.runtime import Compute

KINDS = ("single", "bottom-up", "class-map", "top-down")
KEYPOINTS = 3


class Stopped(BaseException):
    """What a signal raises."""


def predicted(source, model, out, **options):
    return ethopose.predict(source, model, out=out, format="none", batch_size=BATCH, **options)


@pytest.fixture(scope="module")
def full(clip, tiny, tmp_path_factory):
    """A result of a kind of model, with all channels, each made once."""
    made = {}

    def result(kind: str, runtime: str = "torch"):
        if (kind, runtime) not in made:
            out = tmp_path_factory.mktemp("full") / "r.ethopose"
            made[kind, runtime] = predicted(clip, tiny(kind), out, features="full", runtime=runtime)
        return made[kind, runtime]

    return result


def vectors_of(result) -> np.ndarray:
    """(row, keypoint, number) of a whole result."""
    each = [result.features(part)["keypoints"] for part in result]
    return np.concatenate(each).reshape(len(result), KEYPOINTS, -1)


def by_torch(features: torch.Tensor, cells: np.ndarray) -> np.ndarray:
    """(place, number) at cells (place, 2) of features (number, row, column), x before y; NaN off them."""
    size = torch.tensor(features.shape[:0:-1]) - 1.0
    places = torch.from_numpy(cells) / size * 2 - 1
    told = functional.grid_sample(
        features[None], places[None, None].float(), padding_mode="border", align_corners=True
    )[0, :, 0].T
    told[~((places * size >= -size - 1).all(-1) & (places * size <= size + 1).all(-1))] = torch.nan
    return told.numpy()


def looked_at(images: np.ndarray, model, seen) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pictures that the last network sees of frames, the frame that each is of, and where it begins there."""
    last = model.spec.stages[-1].preparation
    fitted = fit(images, last)
    if len(model.spec.stages) == 1:
        return to_pictures(fitted.images, last), np.arange(len(images)), np.zeros((len(images), 2))
    crops = cut(fitted, seen.around.frame, seen.around.xy, last)
    return to_pictures(crops.images, last), seen.around.frame, crops.corner


@pytest.mark.parametrize("kind", KINDS)
def test_vectors_are_those_of_the_whole_features_where_the_keypoints_are(clip, tiny, full, kind):
    result, model = full(kind), families.load([tiny(kind)])
    images = next(open_video(clip).blocks(np.arange(BATCH), BATCH)).image
    predictor = Predictor(model, Compute("cpu", "torch", threads=1), threshold=None, limit=None)
    pictures, frame, corner = looked_at(images, model, predictor.look(images, BATCH, Profile()))
    graph = build_trained(model.spec.stages[-1], model.weights(len(model.spec.stages) - 1))
    grid, channels = read_at_keypoints(graph)
    with torch.no_grad():
        whole = graph.features(torch.from_numpy(pictures).permute(0, 3, 1, 2) / 255)[grid.stride]
    found, poses = vectors_of(result), result.poses
    rows = np.flatnonzero(poses.frame < BATCH)
    number = np.arange(len(rows)) if len(model.spec.stages) == 2 else poses.frame[rows]
    assert found.shape[-1] == channels
    assert len(rows) > BATCH // 2
    np.testing.assert_array_equal(frame[number], poses.frame[rows])
    for row, picture in zip(rows, number, strict=True):
        there = np.isfinite(poses.xy[row]).all(-1)
        cells = (poses.xy[row] - corner[picture] - grid.first) / grid.stride
        wanted = by_torch(whole[picture], cells)
        np.testing.assert_allclose(found[row, there], wanted[there], rtol=2e-3, atol=1e-3)
        assert np.isnan(found[row, ~there]).all()


@pytest.mark.parametrize("kind", KINDS)
def test_openvino_and_torch_agree_and_poses_are_as_without(clip, tiny, full, kind, tmp_path):
    ours, theirs = full(kind, "openvino"), full(kind)
    assert ours.manifest.features == theirs.manifest.features
    alike = 0
    for frame in range(64):
        mine, other = (result.frame == frame for result in (ours, theirs))
        if mine.sum() == other.sum() and np.allclose(
            ours.xy[mine], theirs.xy[other], atol=1e-3, equal_nan=True
        ):
            alike += 1  # in the others a peak is as high as another one, or as the threshold
            one, two = vectors_of(ours)[mine], vectors_of(theirs)[other]
            np.testing.assert_allclose(one, two, rtol=2e-3, atol=1e-3)
    assert alike > 60
    plain = predicted(clip, tiny(kind), tmp_path / "plain", runtime="torch")
    assert plain.manifest.features == {}
    assert not (plain.path / "features").exists()
    for folder in ("poses", "frames"):
        for file in (plain.path / folder).iterdir():
            assert file.read_bytes() == (theirs.path / folder / file.name).read_bytes()


def test_the_peers_look_up_by_coordinates_would_take_another_animals_vectors(full):
    """DeepLabCut 2.3.11 finds the animal of a pose by the least mean of whole differences that are not
    negative; of an animal up and left there is none, and the place of that NaN is what it takes (#2794)."""
    result = full("bottom-up")
    places, found, wrong = result.xy.astype(int), vectors_of(result), 0
    for frame in np.unique(result.frame):
        rows = np.flatnonzero(result.frame == frame)
        for place, row in enumerate(rows):
            ways = (places[rows] - places[row]).astype(float)
            ways[(ways < 0) | (ways > 9000)] = np.nan
            with np.errstate(invalid="ignore"):
                sums, counts = np.nansum(ways, (1, 2)), np.isfinite(ways).sum((1, 2))
                taken = np.argmin(sums / counts)
            wrong += taken != place and not np.array_equal(found[rows[taken]], found[row])
    assert wrong > 10  # as many rows would have got what is not theirs; the test above shows that none has


def test_animals_that_change_places_change_vectors(tiny, tmp_path):
    """The same two pieces of a picture, side by side, then the other way round."""
    pieces = [np.full((48, 48, 3), 255, np.uint8) for _ in range(2)]
    for piece, place, ink in zip(pieces, (14, 22), (20, 90), strict=True):
        cv2.circle(piece, (place, place), 5, (ink, ink, ink), -1)
    folder = tmp_path / "frames"
    folder.mkdir()
    for number, order in enumerate(((0, 1), (1, 0))):
        cv2.imwrite(str(folder / f"{number}.png"), np.concatenate([pieces[piece] for piece in order], 1))
    result = predicted(folder, tiny("bottom-up"), tmp_path / "r", features="full", runtime="torch")
    found, poses = vectors_of(result), result.poses
    one, other = (
        {tuple(np.rint(poses.xy[row] % (48, 1e9)).ravel()): row for row in np.flatnonzero(wanted)}
        for wanted in (poses.frame == 0, poses.frame == 1)
    )
    assert one.keys() == other.keys()
    assert len(one) >= 2
    for place, row in one.items():
        assert abs(poses.xy[row, 0, 0] - poses.xy[other[place], 0, 0]) == pytest.approx(48, abs=0.01)
        np.testing.assert_allclose(found[row], found[other[place]], rtol=2e-3, atol=1e-3)
    first, second = list(one.values())[:2]
    assert not np.allclose(found[first], found[second], atol=1e-2)


def test_fewer_numbers_are_drawn_by_the_model_and_kept_for_every_keypoint(clip, tiny, full, tmp_path):
    result = predicted(clip, tiny("bottom-up"), tmp_path / "r", features=3, runtime="torch")
    assert result.manifest.features == {"keypoints": 3 * KEYPOINTS}
    whole, found = vectors_of(full("bottom-up")).astype(float), vectors_of(result).astype(float)
    directions, *_ = np.linalg.lstsq(whole.reshape(-1, whole.shape[-1]), found.reshape(-1, 3), rcond=None)
    np.testing.assert_allclose(whole @ directions, found, atol=5e-3)
    default = predicted(clip, tiny("bottom-up"), tmp_path / "d", features="default", runtime="torch")
    np.testing.assert_array_equal(vectors_of(default), vectors_of(full("bottom-up")))
    assert whole.shape[-1] < 32


@pytest.mark.parametrize("kind", ["bottom-up", "top-down"])
@pytest.mark.parametrize("stop", [1, 6])
def test_a_run_that_was_stopped_goes_on_to_the_same_bytes(clip, tiny, tmp_path, monkeypatch, kind, stop):
    monkeypatch.setattr(video, "PART_FRAMES", 16)
    told = itertools.count()

    def progress(path, done, total):
        if next(told) == stop:
            raise Stopped

    def run(out, watch=None):
        options = Options(out=out, batch_size=BATCH, runtime="torch", format=("none",), features="3")
        predict_all([clip], tiny(kind), options, watch)

    run(tmp_path / "whole")
    with pytest.raises(Stopped):
        run(tmp_path / "r", progress)
    run(tmp_path / "r")
    assert parts(tmp_path / "r") == parts(tmp_path / "whole")
    assert sum(name.startswith("features") for name in parts(tmp_path / "r")) == 4


def test_a_result_of_other_vectors_is_another_one(clip, tiny, tmp_path):
    predicted(clip, tiny(), tmp_path / "r", features=2, runtime="torch")
    with pytest.raises(ResultError, match="the setting features is"):
        predicted(clip, tiny(), tmp_path / "r", features=3, runtime="torch")


def test_vectors_of_many_numbers_make_small_parts(tiny, clip, tmp_path, monkeypatch):
    monkeypatch.setattr(video, "WIDE", 8)
    result = predicted(clip, tiny(), tmp_path / "r", features=3, runtime="torch", frames="0-20")
    assert result.manifest.part_frames == video.FEW


@pytest.mark.parametrize("way", [{"dynamic": "0.1,4"}, {"cropping": "8,56,4,44"}])
def test_windows_see_what_is_there(clip, tiny, tmp_path, way):
    how = {"runtime": "torch", "format": "none", **way}
    result = ethopose.predict(clip, tiny(), out=tmp_path / "r", features="full", **how)
    found = vectors_of(result)
    np.testing.assert_array_equal(np.isnan(found).all(-1), np.isnan(result.xy).any(-1))
    assert np.nanmax(np.abs(found)) > 0.01


@pytest.mark.parametrize("told", ["0", "-3", "some", "3.5", 0, True, 2.0])
def test_what_is_no_number_of_numbers_is_refused(told):
    with pytest.raises(UsageError, match="features is"):
        Options(features=told)
