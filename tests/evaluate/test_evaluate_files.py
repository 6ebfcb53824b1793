"""What an evaluation writes, and what the command says."""

import json
from dataclasses import replace
from importlib import import_module

import cv2
import numpy as np
import pandas as pd
import pytest
from labelled_worlds import WORLD, image_labels, shifted, stored

from ethopose.core import DataError, ResultError
from ethopose.draw import PALETTE
from ethopose.evaluate import evaluate
from ethopose.store import atomic


@pytest.fixture
def splitted(labels):
    return replace(labels, splits={"train": np.arange(12), "test": np.arange(12, 20)})


@pytest.fixture
def says(ethopose_says, read_as, splitted):
    """The command line, where every path holds the labels."""
    read_as(splitted)
    return ethopose_says


@pytest.fixture
def read_as(monkeypatch):
    """What every path of labels is read as."""

    def patch(labels):
        measure = import_module("ethopose.evaluate.measure")
        monkeypatch.setattr(measure, "read_labels", lambda path, **_: labels)

    return patch


@pytest.fixture(scope="module")
def evaluation(tmp_path_factory):
    """Poses that are 5 px off, measured once."""
    folder = tmp_path_factory.mktemp("evaluation")
    labels = replace(
        image_labels(folder / "clip"), splits={"train": np.arange(12), "test": np.arange(12, 20)}
    )
    return evaluate(stored(folder / "r.ethopose", shifted(WORLD.truth), folder / "clip.mp4"), labels)


def test_the_folder_holds_tables_plots_and_pictures(evaluation):
    assert sorted(file.name for file in evaluation.path.iterdir()) == [
        "metrics.csv", "metrics.json", "predictions.csv", "report.png", "worst", "worst.png"
    ]  # fmt: skip
    assert len(list((evaluation.path / "worst").glob("[0-9][0-9]_clip_img????.png"))) == 20


def test_the_tables_are_those_that_the_evaluation_gives(evaluation):
    table = pd.read_csv(evaluation.path / "metrics.csv")
    pd.testing.assert_frame_equal(table, evaluation.to_pandas(), rtol=1e-5, check_dtype=False)
    points = pd.read_csv(evaluation.path / "predictions.csv", keep_default_na=True)
    assert len(points) == evaluation.row().errors.labelled
    np.testing.assert_allclose(points.error, 5, atol=1e-3)
    np.testing.assert_allclose(points.x - points.truth_x, 3, atol=1e-3)
    test = points[points.split == "test"]
    assert len(test) == evaluation.row("test").errors.labelled
    assert set(points.keypoint) == set(WORLD.skeleton.keypoints)


def test_the_numbers_for_programs_are_plain_json(evaluation):
    told = json.loads((evaluation.path / "metrics.json").read_text(), parse_constant=pytest.fail)
    assert told["images"] == 20
    last = next(row for row in told["summary"] if (row["split"], row["keypoint"]) == ("all", "all"))
    assert last["rmse"] == pytest.approx(5, abs=1e-4)
    assert {"coco.AP", "deeplabcut.rmse_pcutoff", "sleap.mOKS", "pck_body_10"} <= last.keys()
    assert told["reliability"]["within"] == 5


def test_an_evaluation_is_replaced_only_when_asked_and_nothing_else_ever(result, labels, tmp_path):
    first = evaluate(result, labels)
    with pytest.raises(ResultError, match="there is an evaluation already"):
        evaluate(result, labels)
    drawn = first.path / "worst" / "99_old.png"
    drawn.write_bytes(b"")
    (first.path / "worst" / "mine.txt").write_text("kept")
    evaluate(result, labels, overwrite=True)
    assert not drawn.exists()
    assert (first.path / "worst" / "mine.txt").exists()
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("kept")
    with pytest.raises(ResultError, match="something else"):
        evaluate(result, labels, out=tmp_path / "mine", overwrite=True)


def test_what_fails_leaves_no_empty_folder_and_the_earlier_evaluation_whole(result, labels, tmp_path):
    other = WORLD.labels((3,), tmp_path / "barn.mp4")
    with pytest.raises(DataError, match="no labelled image"):
        evaluate(result, other, out=tmp_path / "out")
    assert not (tmp_path / "out").exists()
    earlier = evaluate(result, labels, out=tmp_path / "out").path / "metrics.json"
    with pytest.raises(DataError, match="no labelled image"):
        evaluate(result, other, out=tmp_path / "out", overwrite=True)
    assert earlier.exists()


def test_one_that_was_killed_while_it_was_written_is_written_anew(result, labels, tmp_path):
    (tmp_path / "out" / "worst").mkdir(parents=True)
    (tmp_path / "out" / "metrics.csv").write_text("half")
    assert (evaluate(result, labels, out=tmp_path / "out").path / "metrics.json").exists()


def test_the_worst_image_is_drawn_first_with_its_labels_as_crosses(labels, tmp_path):
    found = WORLD.truth[WORLD.truth.frame != 30]
    evaluation = evaluate(stored(tmp_path / "r.ethopose", found, tmp_path / "clip.mp4"), labels)
    first = min((evaluation.path / "worst").iterdir())
    assert first.name == "01_clip_img0030.png"
    drawn = cv2.imread(str(first))
    factor = drawn.shape[0] // WORLD.size[0]
    assert drawn.shape[:2] == (WORLD.size[0] * factor, WORLD.size[1] * factor)
    for x, y in labels.poses.xy[labels.poses.frame == 10].reshape(-1, 2):
        if np.isfinite(x):
            assert (drawn[round((y + 0.5) * factor - 0.5), round((x + 0.5) * factor - 0.5)] > 240).all()


def test_what_was_found_is_drawn_as_dots_with_a_line_to_their_labels(labels, tmp_path):
    far = replace(WORLD.truth, xy=WORLD.truth.xy + np.float32([6, 0]))
    evaluation = evaluate(stored(tmp_path / "r.ethopose", far, tmp_path / "clip.mp4"), labels, pcutoff=0)
    files = sorted((evaluation.path / "worst").iterdir())
    assert len(files) == len(labels.images)
    for file in files:
        drawn = cv2.imread(str(file))[..., ::-1].astype(int)
        for colour in (PALETTE[0], (213, 94, 0)):
            assert (np.abs(drawn - colour).max(axis=-1) < 12).sum() > 50


def test_images_that_are_gone_are_measured_in_a_result_and_not_drawn(result, labels):
    for image in labels.images[4:]:
        image.path.unlink()
    evaluation = evaluate(result, labels)
    assert evaluation.row().images == 20
    assert len(list((evaluation.path / "worst").iterdir())) == 4


def test_a_full_disk_is_one_clear_line_and_leaves_no_numbers(result, labels, monkeypatch, tmp_path):
    class Full(atomic.Disk):
        def sync(self, path):
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(atomic, "disk", Full())
    with pytest.raises(ResultError, match="No space left"):
        evaluate(result, labels, out=tmp_path / "out")
    assert not (tmp_path / "out" / "metrics.json").exists()


def test_the_command_prints_a_table_and_where_the_files_are(says, result, tmp_path):
    said = says("evaluate", result.path, "labels.csv", "-o", tmp_path / "out")
    assert said.code == 0, said.err
    lines = {line.split()[0]: line.split()[1:] for line in said.out.splitlines() if line.strip()}
    assert lines["images"] == ["points", "missed", "median", "mean", "rmse", "PCK@5", "PCK@10"]
    assert lines["test"][:1] == ["8"]
    assert lines["all"][3:6] == ["5.00"] * 3
    assert lines["deeplabcut"][0] == "rmse"
    assert lines["written"] == [str(tmp_path / "out")]


def test_the_command_speaks_json(says, result, unwritten):
    said = says("evaluate", result.path, "labels.csv", "--split", "test", "--json")
    told = json.loads(said.out)
    assert [row["split"] for row in told["summary"]] == ["test"] * 4
    assert told["evaluation"].endswith("clip.mp4.mice.evaluation-test")


@pytest.mark.parametrize(
    ("words", "code", "line"),
    [
        (["--split", "val"], 2, "no labelled image is in a split 'val'"),
        (["--pcutoff", "3"], 2, "pcutoff"),
        (["--device", "cpu"], 2, "device is given, but a result was predicted already"),
    ],
)
def test_wrong_use_is_one_line_and_exit_2(says, result, words, code, line):
    said = says("evaluate", result.path, "labels.csv", *words)
    assert (said.code, said.out) == (code, "")
    assert line in said.err
    assert len(said.err.splitlines()) == 1


def test_the_command_evaluates_a_model_and_exits_3_where_images_are_lost(
    says, read_as, splitted, tiny, tmp_path, unwritten
):
    from ethopose.core import Skeleton

    poses = replace(splitted.poses, skeleton=Skeleton(("left", "middle", "right")))
    read_as(replace(splitted, poses=poses))
    splitted.images[3].path.unlink()
    said = says("evaluate", tiny(), "labels.csv", "-o", tmp_path / "out", "-b", "8")
    assert said.code == 3
    assert "clip/img0009.png (1 of 20)" in said.out


def test_a_single_point_has_a_report_too(tmp_path, labels):
    from ethopose.evaluate.skeletons import reduced

    first = WORLD.skeleton.keypoints[:1]
    found = shifted(reduced(WORLD.truth, first), (1.0, 0.0))
    result = stored(tmp_path / "one.ethopose", found, tmp_path / "clip.mp4")
    evaluation = evaluate(result, labels)
    assert [row.keypoint for row in evaluation.summary] == ["all"]
    assert evaluation.row().errors.mean == pytest.approx(1, abs=1e-4)
    assert np.isnan(evaluation.row().errors.pck_body_10)
    assert np.isnan(evaluation.row().tools["coco.AP"])
