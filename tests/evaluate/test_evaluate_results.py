"""A result against labels: the frames that belong together, the numbers, what is refused."""

import csv
from dataclasses import replace

import h5py
import numpy as np
import pytest
from labelled_worlds import FRAMES, WORLD, image_labels, shifted, stored

from ethopose.core import DataError, Image, Labels, Poses, Skeleton, UsageError
from ethopose.core.labels import ABSENT
from ethopose.core.poses import COLUMNS
from ethopose.evaluate import evaluate
from ethopose.metrics import coco, deeplabcut, scenes

pytestmark = pytest.mark.usefixtures("unwritten")


def renamed(poses: Poses, keypoints: tuple[str, ...]) -> Poses:
    return replace(poses, skeleton=Skeleton(keypoints))


def part(labels: Labels, images: list[int]) -> Labels:
    """The labels of some images, counted anew."""
    rows = np.isin(labels.poses.frame, images)
    frame = np.searchsorted(images, labels.poses.frame[rows])
    poses = replace(labels.poses[rows], frame=frame)
    return Labels(tuple(labels.images[i] for i in images), poses, labels.visibility[rows])


def test_poses_that_are_moved_by_5_px_err_by_5_px(result, labels):
    evaluation = evaluate(result, labels)
    errors = evaluation.row().errors
    assert (errors.median, errors.mean, errors.rmse) == pytest.approx((5, 5, 5), abs=1e-4)
    assert (errors.missed, errors.false, errors.pck_2, errors.pck_10) == (0, 0, 0, 1)
    assert errors.labelled == np.isfinite(labels.poses.xy).all(axis=-1).sum()
    assert evaluation.exit_code == 0


def with_corners(poses: Poses, frames: int, place: tuple[float, float]) -> Poses:
    """With keypoints that belong to no animal, in rows of their own."""
    skeleton = replace(poses.skeleton, keypoints=(*poses.skeleton.keypoints, "corner"), unique=("corner",))
    frame = np.r_[poses.frame, np.arange(frames)]
    order = np.argsort(frame, kind="stable")
    xy = np.pad(poses.xy, ((0, frames), (0, 1), (0, 0)), constant_values=np.nan)
    xy[len(poses) :, -1] = place
    sure = np.where(np.isfinite(xy).all(-1), 1, np.nan).astype(np.float32)
    individual = np.r_[poses.individual, np.full(frames, -1, np.int16)][order]
    scores = np.ones(len(xy), np.float32)
    return Poses(skeleton, frame[order], xy[order], sure[order], scores, individual=individual)


def test_keypoints_of_no_animal_are_measured_and_are_no_animals(labels, tmp_path):
    placed = with_corners(labels.poses, len(labels.images), (5, 5))
    visibility = np.where(np.isfinite(placed.xy).all(-1), 2, ABSENT).astype(np.uint8)
    given = replace(labels, poses=placed, visibility=visibility)
    plain = shifted(WORLD.truth, (0.3, 0.4))
    without = stored(tmp_path / "a.ethopose", plain, tmp_path / "clip.mp4")
    found = with_corners(plain, WORLD.frames, (5, 55))
    result = stored(tmp_path / "b.ethopose", found, tmp_path / "clip.mp4")
    both, animals = evaluate(result, given), evaluate(without, labels)
    assert both.row().tools == pytest.approx(animals.row().tools)
    corner = both.row(keypoint="corner").errors
    assert (corner.median, corner.missed, corner.false) == (pytest.approx(50), 0, 0)
    left = evaluate(result, labels, out=tmp_path / "left").row()
    assert left.errors == animals.row().errors
    assert left.tools == pytest.approx(animals.row().tools)


def test_the_tools_numbers_stand_under_their_names(labels, tmp_path):
    only = labels.poses.individual == 0
    one = replace(labels, poses=labels.poses[only], visibility=labels.visibility[only])
    found = shifted(WORLD.truth[WORLD.truth.individual == 0], (0.3, 0.4))
    tools = evaluate(stored(tmp_path / "one.ethopose", found, tmp_path / "clip.mp4"), one).row().tools
    assert tools["deeplabcut.rmse"] == pytest.approx(0.5, abs=1e-4)
    assert tools["sleap.avg"] == pytest.approx(0.5, abs=1e-4)
    pairs = scenes(one.poses, shifted(one.poses, (0.3, 0.4)), range(len(one.images)))
    assert 0 < tools["coco.AP"] < tools["coco.AP50"] <= 1
    assert tools["coco.AP"] == pytest.approx(coco(pairs)["AP"])
    assert tools["deeplabcut.mAP"] == pytest.approx(deeplabcut(pairs, 0.6, single=True)["mAP"])


def test_images_are_found_by_the_number_in_their_name_in_the_video_of_their_folders_name(result, labels):
    at_place = image_labels(labels.images[0].path.parent, (0, 30, 59))
    assert [image.path.name for image in at_place.images] == ["img0000.png", "img0030.png", "img0059.png"]
    assert evaluate(result, at_place).row().errors.rmse == pytest.approx(5, abs=1e-4)


def test_frames_of_the_video_are_found_where_it_lies_and_where_it_was_moved_to(result, tmp_path):
    for folder in (tmp_path, tmp_path / "elsewhere"):
        labels = WORLD.labels(FRAMES, folder / "clip.mp4")
        evaluation = evaluate(result, labels)
        assert evaluation.row().errors.rmse == pytest.approx(5, abs=1e-4)
        assert evaluation.row().images == len(FRAMES)


def test_of_two_labelled_recordings_of_one_name_only_that_at_the_path_is_taken(result, tmp_path):
    own, other = (WORLD.labels(FRAMES[:10], tmp_path / folder / "clip.mp4") for folder in (".", "else"))
    images = (*own.images, *other.images)
    columns = {name: np.concatenate([getattr(labels.poses, name) for labels in (own, other)])
               for name in COLUMNS}  # fmt: skip
    columns["frame"][len(own.poses) :] += 10
    both = Labels(
        images, Poses(WORLD.skeleton, **columns), np.concatenate([own.visibility, other.visibility])
    )
    assert evaluate(result, both).row().images == 10
    moved = replace(both, images=tuple(replace(i, path=tmp_path / "far" / i.path.parent.name / "clip.mp4")
                                       for i in images))  # fmt: skip
    with pytest.raises(DataError, match=r"2 labelled recordings are named clip\.mp4"):
        evaluate(result, moved)


def test_a_folder_of_images_is_known_by_the_place_of_its_files_not_by_their_numbers(labels, tmp_path):
    of_labels = shifted(labels.poses, (0.0, 2.0))
    result = stored(tmp_path / "clip.ethopose", of_labels, tmp_path / "clip", frames=((0, len(FRAMES) - 1),))
    assert evaluate(result, labels).row().errors.rmse == pytest.approx(2, abs=1e-4)


def test_labels_of_another_video_are_refused_by_name(result, tmp_path):
    with pytest.raises(DataError, match=r"no labelled image is a frame of.*clip\.mp4.*labels are of barn"):
        evaluate(result, WORLD.labels(FRAMES, tmp_path / "barn.avi"))
    embedded = replace(WORLD.labels((0,)), images=(Image(tmp_path / "l.slp", 0, "video0/video", "clip.mp4"),))
    with pytest.raises(DataError, match=r"no labelled image.*embed their pictures"):
        evaluate(result, embedded)


def test_labelled_frames_that_were_not_predicted_are_left_out_and_counted(labels, tmp_path):
    few = stored(tmp_path / "few.ethopose", WORLD.truth, tmp_path / "clip.mp4", frames=((0, 29),))
    evaluation = evaluate(few, labels)
    assert evaluation.row().images == 10
    assert "10 of 20 labelled images are not in this result" in evaluation.warnings


def test_the_origin_of_a_tools_pixels_is_taken_off(labels, tmp_path):
    half = shifted(WORLD.truth, (0.5, 0.5))
    result = stored(tmp_path / "half.ethopose", half, tmp_path / "clip.mp4", pixel_origin=0.5)
    assert evaluate(result, labels).row().errors.rmse == pytest.approx(0, abs=1e-4)


def test_keypoints_in_another_order_are_put_in_order(labels, tmp_path):
    turned = replace(
        renamed(WORLD.truth, WORLD.skeleton.keypoints[::-1]),
        xy=np.ascontiguousarray(WORLD.truth.xy[:, ::-1]),
    )
    result = stored(tmp_path / "turned.ethopose", turned, tmp_path / "clip.mp4")
    evaluation = evaluate(result, labels)
    assert evaluation.row().errors.rmse == pytest.approx(0, abs=1e-4)
    assert not any("left out" in warning for warning in evaluation.warnings)


def test_keypoints_that_only_one_has_are_named_and_left_out(result, labels):
    first, second, third = WORLD.skeleton.keypoints
    other = replace(labels, poses=renamed(labels.poses, (first, second, "wing")))
    evaluation = evaluate(result, other)
    assert evaluation.warnings[0] == f"keypoints left out: wing (labels only); {third} (poses only)"
    assert [row.keypoint for row in evaluation.summary] == ["all", first, second]
    with pytest.raises(DataError, match=rf"fin.*{first}.*none in common"):
        evaluate(result, replace(labels, poses=renamed(labels.poses, ("fin", "gill", "eye"))))


def test_a_keypoint_that_is_called_absent_is_not_expected(result, labels):
    visibility = labels.visibility.copy()
    visibility[:, 1] = ABSENT
    evaluation = evaluate(result, replace(labels, visibility=visibility))
    row = evaluation.row(keypoint=WORLD.skeleton.keypoints[1])
    assert (row.errors.labelled, row.errors.missed) == (0, 0)
    assert row.errors.false > 0


def test_rows_are_told_by_split_recording_and_keypoint(result, labels):
    splits = {"train": np.arange(12), "val": np.arange(12, 20)}
    rows = evaluate(result, replace(labels, splits=splits)).summary
    keypoints = ["all", *WORLD.skeleton.keypoints]
    assert [(row.split, row.keypoint) for row in rows] == [
        (split, keypoint) for split in ("train", "val", "all") for keypoint in keypoints
    ]
    assert [row.images for row in rows[::4]] == [12, 8, 20]
    assert sum(row.errors.labelled for row in rows[1:4]) == rows[0].errors.labelled
    assert [bool(row.tools) for row in rows[:4]] == [True, False, False, False]


def test_one_split_alone_is_measured_as_it_is_among_others(result, labels):
    splitted = replace(labels, splits={"train": np.arange(12), "val": np.arange(12, 20)})
    whole = evaluate(result, splitted)
    alone = evaluate(result, splitted, split="val")
    assert alone.path.name == "clip.mp4.mice.evaluation-val"
    assert {row.split for row in alone.summary} == {"val"}
    assert alone.row().errors == whole.row("val").errors
    with pytest.raises(UsageError, match=r"no labelled image is in a split 'test'.*train \(12 images\)"):
        evaluate(result, splitted, split="test")


def test_labels_of_nothing_are_refused(result, labels):
    none = part(labels, [])
    with pytest.raises(UsageError, match="nothing is labelled"):
        evaluate(result, none)


def test_options_of_a_prediction_mean_nothing_for_a_result(result, labels):
    with pytest.raises(UsageError, match="peak_threshold is given, but a result was predicted already"):
        evaluate(result, labels, peak_threshold=0.1)
    with pytest.raises(UsageError, match="pcutoff is 7"):
        evaluate(result, labels, pcutoff=7)


@pytest.mark.parametrize(
    ("by", "doubt"),
    [((0, 0.001), "labels this model's own poses"), ((300, 0), "nothing that was found is near a label")],
)
def test_numbers_that_are_hard_to_believe_are_doubted(labels, tmp_path, by, doubt):
    result = stored(tmp_path / "odd.ethopose", shifted(WORLD.truth, by), tmp_path / "clip.mp4")
    assert any(doubt in warning for warning in evaluate(result, labels).warnings)


def test_few_images_and_images_that_were_learnt_are_doubted(result, labels):
    few = replace(part(labels, [0, 1, 2]), splits={"train": np.arange(3)})
    told = evaluate(result, few, split="train").warnings
    assert any("only 3 images" in warning for warning in told)
    assert any("has learnt these images" in warning for warning in told)


def test_deeplabcuts_own_predictions_of_its_project_have_the_errors_that_it_wrote(shared_data, tmp_path):
    project = shared_data / "dlc3/real/openfield-Pranav-2018-10-30"
    folder = next((project / "evaluation-results-pytorch/iteration-0").glob("openfield*"))
    with h5py.File(next(folder.glob("*best-4.h5"))) as file:
        table = file["df_with_missing"]
        names = table["axis1_level2"][()][table["axis1_label2"][()]]
        values = table["block0_values"][()].reshape(-1, 4, 3)
    frames = np.array([int(name[3:7]) for name in names])
    order = np.argsort(frames)
    keypoints = ("snout", "leftear", "rightear", "tailbase")
    xy, confidence = np.ascontiguousarray(values[order, :, :2]), values[order, :, 2]
    found = Poses(Skeleton(keypoints), frames[order], xy, confidence, confidence.mean(axis=1))
    runs = {"frames": tuple((int(frame), int(frame)) for frame in frames[order])}
    result = stored(tmp_path / "m4s1.ethopose", found, tmp_path / "m4s1.mp4", **runs)
    evaluation = evaluate(result, project, pcutoff=0.4)
    written = next(csv.DictReader(next(folder.glob("*best-4-results.csv")).read_text().splitlines()))
    by_keypoint = list(csv.DictReader(next(folder.glob("*keypoint-results.csv")).read_text().splitlines()))
    for split, errors in zip(("train", "test"), by_keypoint, strict=True):
        tools = evaluation.row(split).tools
        for metric in ("rmse", "rmse_pcutoff", "mAP", "mAR"):
            assert round(tools[f"deeplabcut.{metric}"], 2) == float(written[f"{split} {metric}"])
        for keypoint in keypoints:
            told = evaluation.row(split, keypoint=keypoint).errors.mean
            assert told == pytest.approx(float(errors[keypoint]), abs=1e-3)
