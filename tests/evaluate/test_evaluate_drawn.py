"""Every labelled image, drawn: what was placed, what was found, and what of it is doubtful."""

from dataclasses import replace
from importlib import import_module

import cv2
import matplotlib
import numpy as np
import pytest
from labelled_worlds import WORLD, image_labels, shifted, stored

from ethopose.core import UsageError
from ethopose.evaluate import Drawing, evaluate

FACTOR = 13  # 64 px are enlarged to 832
OPAQUE = {"alpha": 1.0, "dot_size": 30.0}


@pytest.fixture
def splitted(labels):
    return replace(labels, splits={"train": np.arange(12), "test": np.arange(12, 20)})


def at(picture: np.ndarray, xy: np.ndarray, by=(0, 0)) -> tuple[int, ...]:
    """The RGB of a drawing at a place of the image, and px beside it."""
    x, y = np.rint((xy + 0.5) * FACTOR - 0.5).astype(int) + by
    return tuple(picture[y, x].tolist())


def read(path) -> np.ndarray:
    return cv2.imread(str(path))[..., ::-1]


def colours(number: int, name: str = "rainbow") -> list[tuple[int, ...]]:
    spread = matplotlib.colormaps[name].resampled(number)
    return [tuple(int(part) for part in spread(each, bytes=True)[:3]) for each in range(number)]


def one_animal(frame: int, confidence) -> tuple:
    """The truth of an image's first animal, and poses of it alone, 8 px to the right."""
    rows = np.flatnonzero(WORLD.truth.frame == frame)[:1]
    poses = shifted(WORLD.truth[rows], (8.0, 0.0))
    return WORLD.truth.xy[rows[0]], replace(poses, confidence=np.array([confidence], np.float32))


def test_every_image_is_drawn_whole_under_the_name_of_its_split(result, splitted):
    evaluation = evaluate(result, splitted)
    told = []
    folder = evaluation.draw(progress=lambda done, total: told.append((done, total)))
    assert folder == evaluation.path / "labelled"
    names = sorted(file.name for file in folder.iterdir())
    assert len(names) == 20
    assert names[0] == "test_clip_img0036.png"
    assert names[-1] == "train_clip_img0033.png"
    assert told[-1] == (20, 20)
    height, width = (side * FACTOR for side in WORLD.size)
    drawn = read(folder / names[0])
    assert drawn.shape[0] == height
    assert drawn.shape[1] > width
    assert len(set(map(tuple, drawn[: 6 * 22, width:].reshape(-1, 3).tolist()))) > 5  # the legend


def test_what_is_placed_is_a_plus_what_is_found_a_dot_and_what_is_doubtful_an_x(tmp_path):
    labels = image_labels(tmp_path / "clip", (30,))
    placed, poses = one_animal(30, (0.9, 0.3, 0.6))
    evaluation = evaluate(stored(tmp_path / "r.ethopose", poses, tmp_path / "clip.mp4"), labels, pcutoff=0.6)
    (file,) = evaluation.draw(Drawing(**OPAQUE)).iterdir()
    assert file.name == "clip_img0030.png"
    picture, own = read(file), colours(3)
    beside, aslant = (5, 0), (7, 7)  # within a dot and not within an x; the other way round
    found = placed + np.array((8, 0))
    for keypoint, sure in enumerate((True, False, True)):
        if np.isnan(placed[keypoint]).any() or found[keypoint, 0] > 60:
            continue
        colour = own[keypoint]
        assert at(picture, placed[keypoint]) == colour
        assert at(picture, placed[keypoint], (0, 13)) == colour
        assert at(picture, found[keypoint]) == colour
        assert (at(picture, found[keypoint], beside) == colour) == sure
        assert (at(picture, found[keypoint], aslant) == colour) != sure


def test_animals_have_colours_of_their_own_and_those_too_many_share_one(tmp_path):
    labels = image_labels(tmp_path / "clip", (30,))
    truth = WORLD.truth[WORLD.truth.frame == 30]
    evaluation = evaluate(stored(tmp_path / "r.ethopose", shifted(truth), tmp_path / "clip.mp4"), labels)
    (file,) = evaluation.draw(Drawing(by="individual", colormap="viridis", **OPAQUE)).iterdir()
    own = colours(3, "viridis")
    mine = [set(), set()]
    for animal, xy in enumerate(truth.xy):
        mine[animal] = {at(read(file), point) for point in xy if np.isfinite(point).all()}
    assert own[0] in mine[0] | mine[1]
    assert own[1] in mine[0] | mine[1]
    assert own[2] not in mine[0] | mine[1]


def test_marks_let_through_what_is_below(tmp_path):
    labels = image_labels(tmp_path / "clip", (30,))
    _, poses = one_animal(30, (0.9, 0.9, 0.9))
    evaluation = evaluate(stored(tmp_path / "r.ethopose", poses, tmp_path / "clip.mp4"), labels)
    pictures = []
    for alpha in (0.0, 0.5, 1.0):
        (file,) = evaluation.draw(Drawing(alpha=alpha)).iterdir()
        pictures.append(read(file)[:, : 64 * FACTOR].astype(int))
    none, half, full = pictures
    assert (np.abs(full - none) > 50).any()
    np.testing.assert_allclose(half, (none + full) / 2, atol=1)


def test_a_new_evaluation_leaves_no_older_drawings(result, splitted):
    evaluation = evaluate(result, splitted)
    folder = evaluation.draw()
    (folder / "mine.txt").write_text("kept")
    evaluate(result, splitted, overwrite=True)
    assert [file.name for file in folder.iterdir()] == ["mine.txt"]


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"colormap": "rainbw"}, "no colormap is named 'rainbw'; fix: choose rainbow"),
        ({"by": "animal"}, "no colour by 'animal'; fix: choose keypoint or individual"),
        ({"alpha": 2.0}, "alpha 2"),
        ({"dot_size": 0.0}, "marks of 0 px"),
    ],
)
def test_what_makes_no_sense_is_refused(wrong, why):
    with pytest.raises(UsageError, match=why):
        Drawing(**wrong)


def test_the_command_draws_when_it_is_asked(ethopose_says, result, splitted, monkeypatch):
    measure = import_module("ethopose.evaluate.measure")
    monkeypatch.setattr(measure, "read_labels", lambda *_, **__: splitted)
    folder = result.path.with_name("clip.mp4.mice.evaluation")
    said = ethopose_says("evaluate", result.path, "labels", "--alpha", "0.5")
    assert said.code == 2
    assert "--alpha is of the pictures that --draw writes" in said.err
    said = ethopose_says("evaluate", result.path, "labels", "--draw", "--colormap", "rain")
    assert said.code == 2
    assert not folder.exists()
    said = ethopose_says("evaluate", result.path, "labels", "--draw", "--color-by", "individual")
    assert said.code == 0, said.err
    assert len(list((folder / "labelled").glob("*.png"))) == 20
