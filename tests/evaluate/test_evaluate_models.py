"""A model against labels: every labelled image is predicted."""

import json
from dataclasses import replace

import cv2
import numpy as np
import pytest
from labelled_worlds import FRAMES, image_labels

import ethopose
from ethopose.core import DataError, Image, Skeleton, UsageError
from ethopose.evaluate import evaluate
from ethopose.families import load
from ethopose.testing import World, compare
from ethopose.testing.demo import demo_model

pytestmark = pytest.mark.usefixtures("unwritten")


def in_words_of_tiny_models(labels):
    poses = replace(labels.poses, skeleton=Skeleton(("left", "middle", "right")))
    return replace(labels, poses=poses)


@pytest.fixture
def tiny_labels(labels):
    return in_words_of_tiny_models(labels)


@pytest.mark.parametrize("kind", ["single", "bottom-up", "top-down"])
def test_a_model_has_the_numbers_of_the_result_that_it_makes_of_the_same_images(
    kind, tiny, tiny_labels, tmp_path
):
    told = evaluate(tiny(kind), tiny_labels, out=tmp_path / "model", batch_size=8)
    result = ethopose.predict(tmp_path / "clip", tiny(kind), batch_size=8, format="none")
    again = evaluate(result, tiny_labels, out=tmp_path / "result")
    assert told.row().errors.labelled > 50
    for row, other in zip(told.summary, again.summary, strict=True):
        assert row.as_data() == pytest.approx(other.as_data(), nan_ok=True)


def test_the_demos_model_is_as_good_as_the_demo_says(network_cache, tmp_path):
    world = World(frames=300, seed=11)
    labels = image_labels(tmp_path / "clip", range(0, 60, 4), world)
    evaluation = evaluate(demo_model(), labels, out=tmp_path / "out")
    errors = evaluation.row().errors
    found = ethopose.predict(tmp_path / "clip", demo_model(), out=tmp_path / "r", format="none").poses
    known = compare(found, labels.poses)
    assert errors.median == pytest.approx(known.median)
    assert errors.median < 0.5
    assert errors.pck_5 > 0.9
    assert evaluation.row().tools["coco.AP"] > 0.8
    assert evaluation.warnings == ()


def test_images_of_several_sizes_are_measured_together(tiny, tmp_path):
    small = image_labels(tmp_path / "small", FRAMES[:4])
    large = image_labels(tmp_path / "large", FRAMES[:4], World(2, 3, (64, 96), 60, seed=3, alike=False))
    images = [image for pair in zip(small.images, large.images, strict=True) for image in pair]
    poses = replace(small.poses, frame=small.poses.frame * 2)
    labels = in_words_of_tiny_models(replace(small, images=tuple(images), poses=poses))
    evaluation = evaluate(tiny(), labels, out=tmp_path / "out", batch_size=8, runtime="torch")
    assert evaluation.sample.seen.tolist() == list(range(8))
    assert np.all(np.diff(evaluation.sample.found.frame) >= 0)
    assert {row.video for row in evaluation.summary} == {"all", "small", "large"}


def test_images_that_cannot_be_read_are_listed_and_left_out(tiny, tiny_labels, tmp_path):
    tiny_labels.images[2].path.write_bytes(b"no picture")
    tiny_labels.images[5].path.unlink()
    evaluation = evaluate(tiny(), tiny_labels, out=tmp_path / "out", batch_size=8)
    assert evaluation.unread == ("clip/img0006.png", "clip/img0015.png")
    assert evaluation.row().images == 18
    assert not np.isin(evaluation.sample.points.image, [2, 5]).any()
    assert evaluation.exit_code == 3
    gone = replace(tiny_labels, images=tuple(Image(tmp_path / "gone.png") for _ in tiny_labels.images))
    with pytest.raises(DataError, match=r"none of the labelled images can be read.*gone\.png"):
        evaluate(tiny(), gone, out=tmp_path / "none")


def test_a_model_that_finds_peaks_everywhere_is_measured_all_the_same(tiny, tiny_labels, tmp_path):
    chance = np.random.default_rng(0)
    for image in tiny_labels.images:
        noise = chance.integers(0, 256, (128, 192), np.uint8)
        image.path.write_bytes(cv2.imencode(".png", noise)[1].tobytes())
    evaluation = evaluate(
        tiny("bottom-up"), tiny_labels, out=tmp_path / "out", peak_threshold=0, batch_size=8, runtime="torch"
    )
    assert len(evaluation.sample.found) > 50 * len(tiny_labels.images)
    assert evaluation.row().errors.false > 1000
    assert any("more peaks than are kept" in warning for warning in evaluation.warnings)


def test_a_model_that_finds_nothing_is_measured_and_doubted(tiny, tiny_labels, tmp_path):
    evaluation = evaluate(
        tiny("bottom-up"), tiny_labels, out=tmp_path / "out", peak_threshold=1, batch_size=8
    )
    errors = evaluation.row().errors
    assert (errors.missed, errors.pck_10) == (errors.labelled, 0)
    assert np.isnan(errors.median)
    assert "nothing was found in any image" in evaluation.warnings


def test_pixels_of_a_model_are_counted_as_ours(tiny, tiny_labels, tmp_path):
    model = load(tiny())
    shifted = replace(model, spec=model.spec.model_copy(update={"pixel_origin": 0.5}))
    plain, moved = (
        evaluate(m, tiny_labels, out=tmp_path / name, batch_size=8)
        for name, m in (("a", model), ("b", shifted))
    )
    np.testing.assert_allclose(plain.sample.found.xy - moved.sample.found.xy, 0.5, atol=1e-5)


def test_the_split_that_a_model_was_trained_with_is_its_own(tiny, tiny_labels, tmp_path):
    folder = tmp_path / "mice"
    folder.mkdir()
    for file in tiny().iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    (folder / "training").mkdir()
    names = [f"data/clip/{image.path.name}" for image in tiny_labels.images]
    split = {"rule": "by block", "train": names[:15], "val": [*names[15:18], "data/other/img0001.png"]}
    (folder / "training" / "split.json").write_text(json.dumps(split))
    labels = replace(tiny_labels, splits={"train": np.arange(19), "test": np.r_[0:3, 19]})
    evaluation = evaluate(folder, labels, batch_size=8)
    assert evaluation.path == folder.resolve() / "evaluation"
    counts = {row.split: row.images for row in evaluation.summary if row.keypoint == "all"}
    assert counts == {"train": 16, "test": 1, "val": 3, "all": 20}
    only = evaluate(folder, labels, split="val", batch_size=8)
    assert only.sample.seen.tolist() == [15, 16, 17]
    assert only.path.name == "evaluation-val"


def test_options_that_mean_nothing_are_refused(tiny, tiny_labels):
    with pytest.raises(UsageError, match="frames is given"):
        evaluate(tiny(), tiny_labels, frames="0-9")
    with pytest.raises(UsageError, match="no option is named 'treshold'"):
        evaluate(tiny(), tiny_labels, treshold=0.3)


def test_progress_is_told_image_by_image(tiny, tiny_labels, tmp_path):
    told = []
    evaluate(tiny(), tiny_labels, out=tmp_path / "o", batch_size=8, progress=lambda *step: told.append(step))
    assert told == [(0, 20), (8, 20), (16, 20), (20, 20)]
