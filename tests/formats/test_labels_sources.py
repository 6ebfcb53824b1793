"""Labels of SLEAP, Lightning Pose and COCO, each against what was written or its own tool reads."""

import json
import re
from dataclasses import replace

import cv2
import h5py
import numpy as np
import pandas as pd
import pytest
import sleap_io as sio
from label_files import (
    KEYPOINTS,
    SIZE,
    columns,
    points,
    write_coco,
    write_csv,
    write_pictures,
    write_project,
    write_shuffle,
)

from ethopose.core import DataError, EthoposeError, FormatError, Image
from ethopose.core.labels import ABSENT, OCCLUDED, VISIBLE
from ethopose.formats import read_labels, to_pandas
from ethopose.media import read_pictures


def test_what_is_not_understood_gets_one_line_that_names_what_is(tmp_path):
    for name in ("notes.txt", "poses.csv", "other.h5"):
        (tmp_path / name).write_text("x,y\n1,2\n")
        with pytest.raises(FormatError, match=re.escape("no labels that are understood")) as error:
            read_labels(tmp_path / name)
        assert all(word in error.value.fix for word in ("DeepLabCut", "SLEAP", "Lightning Pose", "COCO"))
    with pytest.raises(FormatError, match="no such labels"):
        read_labels(tmp_path / "nowhere")


def test_a_shuffle_of_what_stores_none_is_an_error(tmp_path):
    with pytest.raises(DataError, match="only DeepLabCut"):
        read_labels(write_coco(tmp_path, {"train": 1}), shuffle=1)


# SLEAP


def sleap_labels(folder):
    """Two videos: one of images with two tracked animals, one with an animal without a track."""
    write_pictures(folder, [f"f{number}.png" for number in range(3)])
    nodes = [sio.Node(name) for name in KEYPOINTS]
    skeleton = sio.Skeleton(nodes, [sio.Edge(nodes[0], nodes[3])], [sio.Symmetry([nodes[1], nodes[2]])])
    video = sio.Video.from_filename([str(folder / f"f{number}.png") for number in range(3)])
    other = sio.Video.from_filename(str(folder / "gone.mp4"))
    tracks = [sio.Track(name) for name in ("machine", "male", "female")]
    xy = points(4, 1)[:, 0]
    xy[1, 2] = np.nan

    def placed(number, track=None):
        return sio.Instance.from_numpy(xy[number], skeleton=skeleton, track=track)

    predicted = sio.PredictedInstance.from_numpy(xy[0] + 9, skeleton=skeleton, track=tracks[0])
    frames = [
        sio.LabeledFrame(video=video, frame_idx=2, instances=[placed(0, tracks[2]), predicted]),
        sio.LabeledFrame(video=video, frame_idx=0, instances=[placed(1, tracks[1]), placed(2, tracks[2])]),
        sio.LabeledFrame(video=video, frame_idx=1, instances=[predicted]),
        sio.LabeledFrame(video=other, frame_idx=40, instances=[placed(3)]),
    ]
    frames[0].instances[0].points["visible"][3] = False  # it keeps its place: occluded
    return sio.Labels(frames, videos=[video, other], skeletons=[skeleton], tracks=tracks), xy


def test_what_people_placed_is_read_and_predictions_are_not(tmp_path):
    told, xy = sleap_labels(tmp_path)
    told.save(str(tmp_path / "l.slp"), embed=False)
    labels = read_labels(tmp_path / "l.slp", missing_images="keep")
    assert [image.path.name for image in labels.images] == ["f0.png", "f2.png", "gone.mp4"]
    assert [image.frame for image in labels.images] == [None, None, 40]
    assert labels.images[2].video == "gone"
    np.testing.assert_allclose(labels.poses.xy, xy[[1, 2, 0, 3]], rtol=1e-6)
    skeleton = labels.poses.skeleton
    assert skeleton.edges == ((0, 3),)
    assert [set(pair) for pair in skeleton.symmetries] == [{1, 2}]
    assert skeleton.individuals == ("male", "female")
    assert labels.poses.individual.tolist() == [0, 1, 1, -1]
    assert labels.visibility[0].tolist() == [VISIBLE, VISIBLE, ABSENT, VISIBLE]
    assert labels.visibility[2].tolist() == [VISIBLE, VISIBLE, VISIBLE, OCCLUDED]


def test_a_missing_video_is_left_out_by_name(tmp_path, caplog):
    sleap_labels(tmp_path)[0].save(str(tmp_path / "l.slp"), embed=False)
    assert len(read_labels(tmp_path / "l.slp").images) == 2
    assert "gone.mp4#40" in caplog.text


def test_a_moved_folder_of_images_is_found(tmp_path):
    sleap_labels(tmp_path / "old")[0].save(str(tmp_path / "old" / "l.slp"), embed=False)
    (tmp_path / "old").rename(tmp_path / "new")
    assert all(image.path.is_file() for image in read_labels(tmp_path / "new" / "l.slp").images)


def test_embedded_pictures_are_those_that_were_labelled(tmp_path):
    told, _ = sleap_labels(tmp_path)
    told = sio.Labels(told.labeled_frames[:2], skeletons=told.skeletons)
    told.save(str(tmp_path / "l.pkg.slp"), embed="user", verbose=False)
    labels = read_labels(tmp_path / "l.pkg.slp")
    assert all(image.dataset for image in labels.images)
    originals = [Image(tmp_path / f"f{number}.png") for number in (0, 2)]
    for picture, original in zip(read_pictures(labels.images), read_pictures(originals), strict=True):
        np.testing.assert_array_equal(picture, original)


@pytest.mark.parametrize("told", [{"channel_order": "RGB"}, {"channel_order": "BGR"}, {}])
def test_embedded_colours_are_those_that_sleap_io_shows(tmp_path, told):
    noise = np.random.default_rng(0).integers(0, 255, (*SIZE, 3), np.uint8)
    content = cv2.imencode(".png", noise)[1].ravel().astype(np.int8)
    with h5py.File(tmp_path / "l.pkg.slp", "w") as file:
        dataset = file.create_dataset("video0/video", data=content[None])
        dataset.attrs.update({"format": "png", **told})
        file["video0/frame_numbers"] = [4]
        file.create_group("metadata").attrs["format_id"] = 1.2
    (found,) = read_pictures([Image(tmp_path / "l.pkg.slp", 0, "video0/video")])
    shown = sio.Video.from_filename(str(tmp_path / "l.pkg.slp"), dataset="video0/video")
    np.testing.assert_array_equal(found, shown[4])


@pytest.mark.parametrize("version", [1.0, 1.1])
def test_files_before_1_1_put_pixel_centres_at_halves(tmp_path, version):
    told, xy = sleap_labels(tmp_path)
    told.save(str(tmp_path / "l.slp"), embed=False)
    with h5py.File(tmp_path / "l.slp", "a") as file:
        file["metadata"].attrs["format_id"] = version
    labels = read_labels(tmp_path / "l.slp")
    shift = 0.5 if version < 1.1 else 0.0
    np.testing.assert_allclose(labels.poses.xy[0], xy[1] - shift, rtol=1e-6)


@pytest.mark.parametrize(
    "name",
    [
        "labels/minimal_instance.pkg.slp",
        "sleap_nn/labels/small_robot_minimal.slp",
        "sleap_nn/models/minimal_instance_bottomup/labels_train_gt_0.slp",
        "sleap_nn/models/minimal_instance_single_instance/labels_val_gt_0.slp",
    ],
)
def test_real_files_equal_what_sleap_io_reads(shared_data, name):
    labels = read_labels(shared_data / name, missing_images="keep")
    wanted = sio.load_slp(str(shared_data / name), open_videos=False)
    assert labels.poses.skeleton.keypoints == tuple(wanted.skeleton.node_names)
    placed = [instance for frame in wanted for instance in frame.user_instances]
    assert len(placed) == len(labels.poses) > 0
    order = [wanted.skeleton.node_names.index(name) for name in labels.poses.skeleton.keypoints]
    for row, instance in enumerate(placed):
        np.testing.assert_allclose(labels.poses.xy[row], instance.numpy()[order], rtol=1e-6)


def test_the_picture_in_a_real_package_equals_what_sleap_io_decodes(shared_data):
    path = shared_data / "labels" / "minimal_instance.pkg.slp"
    (picture,) = read_pictures(read_labels(path).images)
    frame = sio.load_slp(str(path))[0].image
    np.testing.assert_array_equal(picture, np.broadcast_to(frame, picture.shape))


@pytest.mark.parametrize("table", ["frames", "instances", "points", "videos_json"])
def test_a_damaged_package_is_a_format_error(tmp_path, table):
    sleap_labels(tmp_path)[0].save(str(tmp_path / "l.slp"), embed=False)
    with h5py.File(tmp_path / "l.slp", "a") as file:
        del file[table]
    with pytest.raises(FormatError, match=r"l\.slp"):
        read_labels(tmp_path / "l.slp")


# Lightning Pose


def write_view(folder, name, n=4, seed=0):
    names = [f"img{number}.png" for number in range(n)]
    write_pictures(folder / "labeled-data" / f"s1_{name}", names)
    rows = [(f"labeled-data/s1_{name}/{image}",) for image in names]
    write_csv(folder / f"CollectedData_{name}.csv", rows, columns((), KEYPOINTS), points(n, seed=seed))


def test_all_views_of_a_project_are_read_as_images_of_their_own(tmp_path):
    write_view(tmp_path, "top")
    write_view(tmp_path, "side", seed=1)
    write_view(tmp_path, "top_new", seed=2)
    data = "data:\n  data_dir: /gone\n  csv_file: [CollectedData_top.csv, CollectedData_side.csv]\n"
    (tmp_path / "config_mouse.yaml").write_text(data)
    (tmp_path / "other.yaml").write_text("- not: ours")
    labels = read_labels(tmp_path)
    assert [image.video for image in labels.images] == ["s1_top"] * 4 + ["s1_side"] * 4
    np.testing.assert_allclose(labels.poses.xy[4:], points(4, seed=1)[:, 0], rtol=1e-6)
    (tmp_path / "config_mouse.yaml").unlink()
    assert len(read_labels(tmp_path).images) == 8  # the table of new data is not among them
    (tmp_path / "config_mouse.yaml").write_text("data: {csv_file: CollectedData_back.csv}")
    with pytest.raises(DataError, match=r"1 tables of labels are missing: CollectedData_back\.csv"):
        read_labels(tmp_path)


def test_visibility_of_a_third_coordinate_is_kept(tmp_path):
    write_pictures(tmp_path, ["a.png", "b.png"])
    header = [("ann", keypoint, axis) for keypoint in KEYPOINTS for axis in ("x", "y", "visible")]
    values = np.concatenate([points(2)[:, 0], np.full((2, 4, 1), 2.0)], axis=-1)
    values[0, 1, 2], values[0, 2, 2] = 1, 0
    values[1] = np.nan  # pandas takes such a first row for names of the index
    write_csv(tmp_path / "CollectedData.csv", [("b.png",), ("a.png",)], header, values[::-1])
    labels = read_labels(tmp_path)
    assert [image.path.name for image in labels.images] == ["b.png", "a.png"]
    assert labels.poses.frame.tolist() == [1]
    assert labels.visibility.tolist() == [[VISIBLE, OCCLUDED, ABSENT, VISIBLE]]
    assert np.isnan(labels.poses.xy[0, 2]).all()


def test_the_real_mouse_equals_what_pandas_reads(shared_data):
    folder = shared_data / "labels" / "mirror-mouse-example"
    labels = read_labels(folder)
    wanted = pd.read_csv(folder / "CollectedData.csv", header=[0, 1, 2], index_col=0)
    np.testing.assert_allclose(labels.poses.xy.reshape(len(wanted), -1), wanted.to_numpy(), rtol=1e-6)
    assert [image.path for image in labels.images] == [folder / name for name in wanted.index]
    assert labels.poses.skeleton.keypoints == tuple(wanted.columns.get_level_values(1)[::2])


# COCO


def test_a_project_comes_with_its_files_as_splits(tmp_path):
    labels = read_labels(write_coco(tmp_path, {"train": 3, "test": 2}))
    assert {name: members.tolist() for name, members in labels.splits.items()} == {
        "train": [0, 1, 2],
        "test": [3, 4],
    }
    wanted = np.concatenate([points(3, 2), points(2, 2, seed=1)]).reshape(10, 4, 2)
    wanted[1::2, 2] = np.nan
    np.testing.assert_allclose(labels.poses.xy, wanted, rtol=1e-6)
    assert labels.visibility[1].tolist() == [VISIBLE, OCCLUDED, ABSENT, VISIBLE]
    assert labels.poses.skeleton.edges == ((0, 3),)
    assert labels.poses.frame.tolist() == np.repeat(np.arange(5), 2).tolist()


def test_one_file_is_enough_and_absolute_names_are_taken_as_they_are(tmp_path):
    file = write_coco(tmp_path / "p", {"train": 2}) / "annotations" / "train.json"
    one = read_labels(file)
    assert one.splits == {}
    content = json.loads(file.read_text())
    for image in content["images"]:
        image["file_name"] = str(tmp_path / "p" / "images" / image["file_name"])
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "train.json").write_text(json.dumps(content))
    assert read_labels(tmp_path / "elsewhere" / "train.json").images == one.images


def test_edges_that_count_from_zero_are_noticed(tmp_path):
    file = write_coco(tmp_path, {"train": 1}) / "annotations" / "train.json"
    content = json.loads(file.read_text())
    content["categories"][0]["skeleton"] = [[0, 3], [1, 2]]
    file.write_text(json.dumps(content))
    assert read_labels(file).poses.skeleton.edges == ((0, 3), (1, 2))


def test_an_image_in_two_splits_is_an_error(tmp_path):
    write_coco(tmp_path, {"train": 2})
    (tmp_path / "annotations" / "test.json").write_bytes(
        (tmp_path / "annotations" / "train.json").read_bytes()
    )
    with pytest.raises(DataError, match=r"2 images lie in two splits, .*train0\.png"):
        read_labels(tmp_path)


def test_pictures_that_were_rescaled_are_refused_with_the_factor(tmp_path):
    write_coco(tmp_path, {"train": 2}, height=2 * SIZE[0], width=2 * SIZE[1])
    with pytest.raises(DataError, match=r"120 x 80 px, the image has 60 x 40 \(0\.5 times\)"):
        read_labels(tmp_path)


@pytest.mark.parametrize(
    ("key", "value", "what"),
    [
        ("categories", [], "name no keypoints"),
        ("images", [], "not a readable COCO"),
        ("annotations", [{"image_id": 7, "keypoints": [1, 2]}], "not a readable COCO"),
        ("categories", None, "it lacks categories"),
    ],
)
def test_a_file_that_is_no_coco_is_one_clear_line(tmp_path, key, value, what):
    file = write_coco(tmp_path, {"train": 1}) / "annotations" / "train.json"
    content = json.loads(file.read_text())
    content[key] = value
    if value is None:
        del content[key]
    file.write_text(json.dumps(content))
    with pytest.raises(FormatError, match=what):
        read_labels(file)


# damage


def all_sources(folder):
    write_shuffle(write_project(folder / "mice", {"a": 3}), [("labeled-data", "a", "img000.png")], [0], [])
    (folder / "sleap").mkdir()
    told = sleap_labels(folder / "sleap")[0]
    told.save(str(folder / "sleap" / "l.slp"), embed=False)
    write_coco(folder / "coco", {"train": 2})
    write_view(folder / "lp", "top")


@pytest.mark.parametrize(
    ("labels", "file"),
    [
        ("mice", "labeled-data/a/CollectedData_ann.h5"),
        ("mice/labeled-data/a/CollectedData_ann.h5", ""),
        (
            "mice",
            "training-datasets/iteration-0/UnaugmentedDataSet_miceOct30/Documentation_data-mice_80shuffle1.pickle",
        ),
        ("mice", "config.yaml"),
        ("sleap/l.slp", ""),
        ("coco", "annotations/train.json"),
        ("lp", "CollectedData_top.csv"),
    ],
)
def test_damage_anywhere_is_one_clear_error_or_none(tmp_path, labels, file):
    all_sources(tmp_path)
    path = tmp_path / labels / file if file else tmp_path / labels
    whole, rng = path.read_bytes(), np.random.default_rng(0)
    failed = 0
    for _ in range(60):
        damaged = bytearray(whole)
        for place in rng.integers(len(whole), size=rng.integers(1, 20)):
            damaged[place] = rng.integers(256)
        path.write_bytes(damaged[: rng.integers(len(whole))] if rng.random() < 0.3 else damaged)
        try:
            read_labels(tmp_path / labels)
        except EthoposeError:
            failed += 1
    assert failed or path.suffix == ".h5"  # beside a damaged .h5 lies a .csv


# tables for people


def test_a_table_has_a_row_an_animal_and_columns_a_keypoint(tmp_path):
    labels = read_labels(write_coco(tmp_path, {"train": 2, "test": 1}))
    table = to_pandas(labels)
    assert list(table.columns[:4]) == ["image", "frame", "video", "individual"]
    assert list(table.columns[4:7]) == ["nose.x", "nose.y", "nose.visibility"]
    assert len(table) == 6
    assert table["frame"].isna().all()
    assert table["individual"].isna().all()
    np.testing.assert_array_equal(table[["tail.x", "tail.y"]], labels.poses.xy[:, 3])
    assert len(to_pandas(labels, "test")) == 2
    with pytest.raises(DataError, match="no split 'val'"):
        to_pandas(labels, "val")


def test_individuals_stand_in_the_table_by_name(tmp_path):
    labels = read_labels(write_coco(tmp_path, {"train": 1}))
    skeleton = replace(labels.poses.skeleton, individuals=("male", "female"))
    poses = replace(labels.poses, skeleton=skeleton, individual=np.array([1, -1], np.int16))
    assert to_pandas(replace(labels, poses=poses))["individual"].tolist()[0] == "female"
