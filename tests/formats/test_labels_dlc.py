"""DeepLabCut projects as labels: as they are stored, and as users have left them."""

import logging
import pickle
import shutil

import numpy as np
import pandas as pd
import pytest
from label_files import KEYPOINTS, columns, points, write_csv, write_h5, write_project, write_shuffle

from ethopose.core import DataError, FormatError
from ethopose.formats import read_labels
from ethopose.formats.careful_pickle import unpickle
from ethopose.formats.dlc_shuffles import shuffle_of

ROWS = [("labeled-data", "a", f"img{number:03d}.png") for number in range(5)]


@pytest.fixture
def project(tmp_path):
    return write_project(tmp_path / "mice", {"a": 5, "b": 3})


def test_a_project_is_read_in_the_order_of_its_videos(project):
    labels = read_labels(project)
    assert [image.video for image in labels.images] == ["a"] * 5 + ["b"] * 3
    assert labels.images[6].path == project / "labeled-data" / "b" / "img001.png"
    np.testing.assert_allclose(labels.poses.xy[:5], points(5)[:, 0], rtol=1e-6)
    np.testing.assert_allclose(labels.poses.xy[5:], points(3, seed=1)[:, 0], rtol=1e-6)
    assert labels.poses.skeleton.keypoints == KEYPOINTS
    assert labels.poses.skeleton.edges == ((0, 3),)  # the edge to a keypoint that is not there is left out


@pytest.mark.parametrize("gone", ["h5", "csv"])
def test_either_of_the_two_files_is_enough(project, gone):
    whole = read_labels(project)
    (project / "labeled-data" / "a" / f"CollectedData_ann.{gone}").unlink()
    np.testing.assert_array_equal(read_labels(project).poses.xy, whole.poses.xy)


def test_a_damaged_h5_is_replaced_by_the_csv_with_a_warning(project, caplog):
    whole = read_labels(project)
    (project / "labeled-data" / "a" / "CollectedData_ann.h5").write_bytes(b"\x89HDF\r\n\x1a\n damaged")
    assert len(read_labels(project).poses) == len(whole.poses)
    assert "CollectedData_ann.csv is read instead" in caplog.text


def test_a_folder_without_readable_labels_is_left_out_by_name(project, caplog):
    for file in (project / "labeled-data" / "b").glob("CollectedData*"):
        file.write_bytes(b"scorer,x\n")
    assert len(read_labels(project).images) == 5
    assert "1 of 2 folders" in caplog.text
    assert "b (" in caplog.text
    shutil.rmtree(project / "labeled-data" / "a")
    with pytest.raises(DataError, match=r"2 of 2 folders .*a \(no CollectedData file\)"):
        read_labels(project)


def test_videos_that_are_commented_out_are_left_out_with_a_count(project, caplog):
    text = (project / "config.yaml").read_text()
    (project / "config.yaml").write_text(
        text.replace("  C:\\data\\videos\\b.avi:\n    crop", "#  b:\n#    crop")
    )
    assert {image.video for image in read_labels(project).images} == {"a"}
    assert "1 folders of labels are left out" in caplog.text


def test_without_video_sets_every_labelled_folder_counts(project):
    text = (project / "config.yaml").read_text()
    (project / "config.yaml").write_text(text[: text.index("video_sets")])
    (project / "labeled-data" / "a_labeled").mkdir()
    assert len(read_labels(project).images) == 8
    for folder in ("a", "b"):
        shutil.rmtree(project / "labeled-data" / folder)
    with pytest.raises(DataError, match="no labels that can be read"):
        read_labels(project)


def test_a_row_that_names_the_index_is_no_image(project):
    for path in (project / "labeled-data").glob("*/*.h5"):
        path.unlink()
    table = project / "labeled-data" / "a" / "CollectedData_ann.csv"
    lines = table.read_text().splitlines()
    table.write_text("\n".join([*lines[:3], "folder,video,image" + "," * 8, *lines[3:]]))
    assert len(read_labels(table, missing_images="keep").images) == 5


def test_labels_of_another_scorer_are_read_with_a_warning(project, caplog):
    for path in (project / "labeled-data" / "a").glob("Coll*"):
        path.rename(path.with_name(path.name.replace("ann", "bob")))
    assert len(read_labels(project).images) == 8
    assert "a: there are no labels of scorer ann, those of CollectedData_bob.h5" in caplog.text


def test_video_sets_with_complex_keys_are_read(project):
    lines = (project / "config.yaml").read_text().splitlines()
    start = lines.index("video_sets:")
    lines[start : start + 5] = [
        "video_sets:",
        "  ? /home/lab/a very long path/a.avi",
        "  : crop: 0, 60, 0, 40",
    ]
    (project / "config.yaml").write_text("\n".join(lines))
    assert {image.video for image in read_labels(project).images} == {"a"}


@pytest.mark.parametrize("write", [write_h5, write_csv])
@pytest.mark.parametrize("name", ["labeled-data\\a\\{}", "labeled-data/a/{}", "C:\\old\\labeled-data\\a\\{}"])
def test_one_string_an_image_finds_it_also_in_a_moved_project(project, write, name):
    folder = project / "labeled-data" / "a"
    for file in folder.glob("CollectedData*"):
        file.unlink()
    suffix = "h5" if write is write_h5 else "csv"
    rows = [(name.format(row[-1]),) for row in ROWS]
    write(folder / f"CollectedData_ann.{suffix}", rows, columns((), KEYPOINTS), points(5))
    labels = read_labels(project.rename(project.with_name("moved")))
    assert all(image.path.is_file() for image in labels.images)
    assert len(labels.images) == 8


def test_individuals_are_kept_and_unique_keypoints_are_put_aside_with_a_warning(tmp_path, caplog):
    project = write_project(tmp_path / "pair", {"a": 5}, ("male", "female"), uniquebodyparts=["corner"])
    header = [
        *columns(("male", "female"), KEYPOINTS),
        ("ann", "single", "corner", "x"),
        ("ann", "single", "corner", "y"),
    ]
    values = points(5, 2).reshape(5, -1)
    values[1, 8:] = np.nan  # the female is away
    values = np.column_stack([values, np.full((5, 2), 9.0)])
    expected = None
    for write, suffix in ((write_h5, "h5"), (write_csv, "csv")):
        for file in project.glob("labeled-data/a/Coll*"):
            file.unlink()
        write(project / "labeled-data" / "a" / f"CollectedData_ann.{suffix}", ROWS, header, values)
        labels = read_labels(project)
        expected = labels.poses.xy if expected is None else expected
        np.testing.assert_array_equal(labels.poses.xy, expected)
    assert labels.poses.skeleton.individuals == ("male", "female")
    assert labels.poses.skeleton.unique == ("corner",)
    assert labels.poses.individual.tolist() == [0, 1, 0, 0, 1, 0, 1, 0, 1]
    assert "5 points on unique keypoints (corner)" in caplog.text
    caplog.clear()
    whole = read_labels(project, unique=True)
    assert whole.poses.skeleton.keypoints == (*KEYPOINTS, "corner")
    alone = np.isfinite(whole.poses.xy[:, -1]).all(-1)
    assert whole.poses.frame[alone].tolist() == list(range(5))
    assert whole.poses.individual[alone].tolist() == [-1] * 5
    assert np.isnan(whole.poses.xy[alone, :-1]).all()
    np.testing.assert_array_equal(whole.poses.xy[alone, -1], np.full((5, 2), 9))
    np.testing.assert_array_equal(whole.poses.xy[~alone, :-1], expected)
    assert "put aside" not in caplog.text


def test_keypoints_follow_the_configuration(tmp_path):
    project = write_project(tmp_path / "m", {"a": 5}, bodyparts=["tail", "whisker", "nose"])
    labels = read_labels(project)
    assert labels.poses.skeleton.keypoints == ("tail", "whisker", "nose")
    np.testing.assert_allclose(labels.poses.xy[:, 0], points(5)[:, 0, 3], rtol=1e-6)
    assert np.isnan(labels.poses.xy[:, 1]).all()


def test_stored_shuffles_are_honoured_by_number(project, caplog):
    rows = ROWS[::-1]  # the shuffle's numbers count in its own table
    write_shuffle(project, rows, [0, 1, 2], [3, 4], number=1)
    write_shuffle(project, rows, [4, 3, 2], [0, -1], number=7)
    labels = read_labels(project)
    assert {name: members.tolist() for name, members in labels.splits.items()} == {
        "train": [2, 3, 4],
        "test": [0, 1],
    }
    assert "2 shuffles are stored; images are split as in shuffle 1" in caplog.text
    assert "3 images were labelled after shuffle 1" in caplog.text
    seventh = read_labels(project, shuffle=7).splits
    assert {name: members.tolist() for name, members in seventh.items()} == {"train": [0, 1, 2], "test": [4]}
    assert "not learned from" in caplog.text
    train = project / "dlc-models-pytorch/iteration-0/mice-trainset80shuffle7/train"
    train.mkdir(parents=True)
    assert read_labels(project, shuffle=shuffle_of(train, project)).splits["test"].tolist() == [4]
    assert shuffle_of(train / "snapshot-1.pt", project) == shuffle_of(train, project)
    assert shuffle_of(train, project / "other") is shuffle_of(project / "models/mice", project) is None
    assert read_labels(project, shuffle=0).splits == {}
    with pytest.raises(DataError, match="no shuffle 3; stored are 1, 7"):
        read_labels(project, shuffle=3)


class Hostile:
    def __reduce__(self):
        return print, ("executed",)


def test_no_pickle_is_executed(project, capsys):
    path = write_shuffle(project, ROWS, [0], [1])
    path.write_bytes(pickle.dumps([[], Hostile(), [1], 0.8]))
    with pytest.raises(FormatError, match="it asks for builtins"):
        read_labels(project)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("protocol", range(6))
def test_arrays_and_numbers_of_a_pickle_come_back(protocol):
    content = [["ä", ("a", 1)], np.arange(6.0).reshape(2, 3), np.int64(4), {"x": np.array([True])}]
    found = unpickle(pickle.dumps(content, protocol))
    assert found[0] == content[0]
    np.testing.assert_array_equal(found[1], content[1])
    assert found[2] == 4
    assert found[3]["x"].tolist() == [True]


def test_a_table_of_names_that_are_objects_is_refused_unread(project):
    import h5py

    path = project / "labeled-data" / "a" / "CollectedData_ann.h5"
    path.with_suffix(".csv").unlink()
    with h5py.File(path, "a") as file:
        del file["df_with_missing/axis1_level0"]
        names = file.create_dataset("df_with_missing/axis1_level0", (1,), h5py.vlen_dtype(np.uint8))
        names[0] = np.frombuffer(pickle.dumps(Hostile()), np.uint8)
    with pytest.raises(FormatError, match="not as text"):
        read_labels(path)


@pytest.mark.parametrize(
    ("cell", "what"),
    [("inf", "infinite"), ("1e300", "infinite"), ("", "only one of x and y"), ("left", "could not convert")],
)
def test_a_coordinate_that_makes_no_sense_is_an_error_that_names_the_file(project, cell, what):
    for path in (project / "labeled-data").glob("*/*.h5"):
        path.unlink()
    table = project / "labeled-data" / "a" / "CollectedData_ann.csv"
    lines = table.read_text().splitlines()
    cells = lines[4].split(",")
    cells[3] = cell
    lines[4] = ",".join(cells)
    table.write_text("\n".join(lines))
    with pytest.raises(FormatError, match=what) as error:
        read_labels(table)
    assert "CollectedData_ann.csv" in str(error.value)


def test_missing_pictures_are_left_out_by_name_or_kept(project, caplog):
    (project / "labeled-data" / "a" / "img002.png").unlink()
    assert len(read_labels(project, missing_images="keep").images) == 8
    assert caplog.text == ""
    labels = read_labels(project)
    assert len(labels.images) == len(labels.poses) == 7
    assert "1 of 8 images are missing" in caplog.text
    assert "img002.png" in caplog.text
    for path in project.glob("labeled-data/*/*.png"):
        path.unlink()
    with pytest.raises(DataError, match="8 of 8 images are missing"):
        read_labels(project)


def test_a_project_without_labels_says_so(tmp_path):
    project = write_project(tmp_path / "m", {"a": 2})
    write_h5(
        project / "labeled-data" / "a" / "CollectedData_ann.h5",
        ROWS[:2],
        columns((), KEYPOINTS),
        np.full((2, 8), np.nan),
    )
    with pytest.raises(DataError, match="no labels: none of 2 images"):
        read_labels(project)


@pytest.mark.parametrize(
    "config", ["a: [", "- a", "scorer: x", "bodyparts: nose\nscorer: x", "bodyparts: [a, a]"]
)
def test_a_damaged_configuration_is_one_clear_line(project, config):
    (project / "config.yaml").write_text(config)
    with pytest.raises(FormatError, match=r"config\.yaml"):
        read_labels(project)


@pytest.mark.parametrize("name", ["openfield-Pranav-2018-10-30", "Reaching-Mackenzie-2018-08-30"])
def test_real_projects_equal_what_pandas_reads(shared_data, name):
    project = shared_data / "labels" / name
    labels = read_labels(project)
    table = next(project.glob("labeled-data/*/*.csv"))
    wanted = pd.read_csv(table, header=[0, 1, 2], index_col=0)
    assert [image.path.name for image in labels.images] == [row.split("/")[-1] for row in wanted.index]
    xy = wanted.to_numpy().reshape(len(wanted), -1, 2)
    np.testing.assert_allclose(labels.poses.xy, xy[np.isfinite(xy).any((1, 2))], rtol=1e-6)
    assert all(image.path.is_file() for image in labels.images)


def test_a_real_shuffle_is_honoured(shared_data, caplog):
    project = shared_data / "dlc3" / "real" / "openfield-Pranav-2018-10-30"
    with caplog.at_level(logging.ERROR):
        labels = read_labels(project, missing_images="keep")
    sets = next(project.glob("training-datasets/*/*"))
    merged = pd.read_csv(next(sets.glob("*.csv")), header=[0, 1, 2], index_col=[0, 1, 2])
    train, test = unpickle(next(sets.glob("*.pickle")).read_bytes())[1:3]
    assert (len(labels.splits["train"]), len(labels.splits["test"])) == (len(train), len(test)) == (110, 6)
    assert {labels.images[index].path.name for index in labels.splits["test"]} == {
        merged.index[row][2] for row in test
    }
