"""Every option of `predict` changes what is made or told, or is an error: none is taken and forgotten."""

import dataclasses
import shutil

import numpy as np
import pytest
import typer

import ethopose
from clips import BATCH
from commands import fingerprint, parts
from ethopose.cli.app import app
from ethopose.cli.predicting import CHOICE
from ethopose.core import UsageError
from ethopose.predict import Options, predictor
from ethopose.store import read
from ethopose.testing import compare

PREDICT = typer.main.get_command(app).commands["predict"]
BESIDE = {"videos", "model", "profile", "help", *CHOICE}  # of the command, but no field of `Options`


def test_the_command_and_python_know_the_same_options():
    of_command = {parameter.name for parameter in PREDICT.params} - BESIDE
    assert of_command == {field.name for field in dataclasses.fields(Options)}


def test_the_command_and_python_have_the_same_defaults():
    plain = Options()
    for parameter in PREDICT.params:
        if parameter.name not in BESIDE:
            default = parameter.get_default(typer.Context(PREDICT)) or None
            assert default == (getattr(plain, parameter.name) or None), parameter.name


@pytest.fixture
def predict(ethopose_says, clip, tiny, tmp_path):
    """A prediction with these words: what was said, and the result, or None."""

    def run(*words, name="r", model="centroid"):
        batch = [] if "--batch-size" in words else ["-b", BATCH]
        line = ["predict", clip, "-m", tiny(model), "-o", tmp_path / name, *batch, *words]
        said = ethopose_says(*line)
        return said, read(tmp_path / name) if said.code == 0 else None

    return run


def test_out_decides_the_place(predict, tmp_path):
    _, result = predict(name="elsewhere")
    assert result.path == tmp_path / "elsewhere"


@pytest.mark.parametrize("batch", [8, 16])
def test_batch_size_is_what_the_network_saw(predict, batch):
    _, result = predict("--batch-size", batch)
    assert result.manifest.batch == result.manifest.provenance["batch_size"] == batch


def test_peak_threshold_keeps_what_lies_above_it(predict):
    (_, low), (_, high) = predict(name="low"), predict("--peak-threshold", "0.4", name="high")
    assert low.manifest.settings["peak_threshold"] == 0.2
    assert high.manifest.settings["peak_threshold"] == 0.4
    assert 0 < len(high) == (low.confidence[:, 0] > 0.4).sum() < len(low)


def test_peak_threshold_counts_for_both_models_of_a_pair(predict):
    (_, low), (_, high) = (
        predict(model="top-down", name="low"),
        predict("--peak-threshold", "0.9", model="top-down", name="high"),
    )
    assert 0 < len(high) < len(low)  # by the first model
    assert np.isnan(high.xy).any()  # by the second
    assert np.nanmin(np.where(high.confidence == 0, np.nan, high.confidence)) >= 0.9


@pytest.mark.parametrize("kind", ["centroid", "bottom-up", "top-down", "class-map"])
@pytest.mark.parametrize("most", [1, 2])
def test_max_instances_keeps_the_best_of_each_frame(predict, kind, most):
    words = ("--runtime", "torch")
    (_, free), (_, capped) = (
        predict(*words, model=kind, name="free"),
        predict(*words, "--max-instances", most, model=kind, name="capped"),
    )
    assert capped.manifest.settings["max_instances"] == most
    assert len(capped) > 0
    assert capped.frames.animals.tolist() == np.minimum(free.frames.animals, most).tolist()
    for frame in np.unique(free.frame):
        best = np.sort(free.score[free.frame == frame])[::-1][:most]
        np.testing.assert_allclose(np.sort(capped.score[capped.frame == frame])[::-1], best, rtol=1e-5)


def test_frames_are_those_named(predict):
    _, result = predict("--frames", "3-5,9")
    assert result.frames.frame.tolist() == [3, 4, 5, 9]


def test_cropping_looks_at_a_part_and_tells_of_the_whole(predict):
    _, whole = predict(name="whole")
    height, width = whole.video["height"], whole.video["width"]
    _, part = predict("--cropping", f"8,{width},0,{height}", name="part")
    assert part.manifest.settings["cropping"] == [8, width, 0, height]
    assert np.nanmin(part.xy[..., 0]) >= 7
    assert predict("--cropping", f"8,{width + 1},0,{height}", name="none")[0].code == 2
    assert predict("--cropping", "8,4,0,9", name="none")[0].code == 2


def test_features_are_kept_beside_poses_or_are_an_error(predict):
    _, plain = predict(name="plain")
    said, result = predict("--features", 4)
    assert said.code == 0
    np.testing.assert_array_equal(result.xy, plain.xy)
    size = 4 * len(result.skeleton.keypoints)
    assert (plain.manifest.features, result.manifest.features) == ({}, {"keypoints": size})
    for part in result:
        vectors = result.features(part)["keypoints"]
        assert vectors.shape == (len(part.poses), size)
        assert np.ptp(vectors[np.isfinite(vectors)]) > 0
    for words, told in {"400": "the network has 6 at a keypoint", "0": "features is '0'"}.items():
        said, nothing = predict("--features", words, name="none")
        assert (said.code, nothing) == (2, None)
        assert told in said.err


def test_dynamic_looks_around_where_the_animal_was(predict):
    _, whole = predict("--runtime", "torch", model="single", name="whole")
    said, part = predict("--dynamic", "0.1,4", "--batch-size", 1, model="single", name="part")
    assert said.code == 0
    assert part.manifest.settings["dynamic"] == {"threshold": 0.1, "margin": 4}
    assert part.manifest.batch == 1
    assert len(part) == len(whole)
    np.testing.assert_allclose(part.xy[0], whole.xy[0], atol=1e-3)  # the first frame is looked at whole
    assert np.abs(part.xy - whole.xy).max() > 1e-3
    for words in (("-b", "2"), ("--runtime", "openvino")):
        assert predict("--dynamic", "default", *words, model="single", name="none")[0].code == 2
    said, _ = predict("--dynamic", "default", "--batch-size", 1, model="top-down", name="none")
    assert said.code == 2
    assert "whole frames" in said.err


def test_top_down_dynamic_is_for_models_that_read_boxes(predict, tmp_path):
    """What it does is told in tests/families/test_dlc3_patches.py."""
    said, _ = predict("--top-down-dynamic", "default", "--batch-size", 1, name="none")
    assert said.code == 2
    assert "crops alone" in said.err
    assert not (tmp_path / "none").exists()


def test_track_conditions_is_for_models_that_are_told_poses(predict, tmp_path):
    """What it does is told in test_tracks_by_conditions.py, and in tests/families."""
    said, _ = predict("--track-conditions", "default", "--batch-size", 1, model="top-down", name="none")
    assert said.code == 2
    assert "conditional" in said.err
    words = ("--track-conditions", "default", "--dynamic", "default")
    assert "do not go together" in predict(*words, name="none")[0].err
    assert not (tmp_path / "none").exists()


def test_detections_are_kept_beside_poses_or_are_an_error(predict, tmp_path):
    _, plain = predict(name="plain", model="bottom-up")
    _, result = predict("--detections", model="bottom-up")
    np.testing.assert_array_equal(result.xy, plain.xy)
    assert (plain.manifest.lists, plain.manifest.part_frames) == ({}, 1024)
    names = result.skeleton.keypoints
    for part in result:
        lists = {name: each.split() for name, each in result.lists(part).items()}
        for row, frame in enumerate(part.frames.frame):
            poses = part.poses.xy[part.poses.frame == frame]
            for keypoint, name in enumerate(names):
                peaks = np.stack([lists[f"peaks.{name}.{axis}"][row] for axis in "xy"], 1)
                for place in poses[np.isfinite(poses[:, keypoint, 0]), keypoint]:
                    assert np.abs(peaks - place).max(1).min() < 1e-3
            for source, destination in result.manifest.settings["detections"]["edges"]:
                ends = [len(lists[f"peaks.{names[end]}.x"][row]) for end in (source, destination)]
                line = f"lines.{names[source]}.{names[destination]}.score"
                assert len(lists[line][row]) == ends[0] * ends[1]
    said, _ = predict("--detections", name="none", model="single")
    assert (said.code, "puts no animals together" in said.err) == (2, True)
    assert not (tmp_path / "none").exists()


def test_detector_batch_size_is_what_the_first_network_saw(predict, monkeypatch):
    seen, compile_stage = [], predictor.compile_stage

    def compiling(source, shape, compute):
        seen.append(shape[0])
        return compile_stage(source, shape, compute)

    monkeypatch.setattr(predictor, "compile_stage", compiling)
    _, result = predict("--detector-batch-size", 3, "--batch-size", 6, model="top-down")
    assert (seen[0], result.manifest.batch) == (3, 6)
    assert result.manifest.settings["detector_batch_size"] == 3
    said, _ = predict("--detector-batch-size", 2, name="none", model="single")
    assert (said.code, "has no detector" in said.err) == (2, True)


def test_device_is_the_one_named_or_an_error(predict, tmp_path):
    _, result = predict("--device", "cpu")
    assert result.manifest.settings["device"] == "cpu"
    for device in ("cuda:99", "abacus"):
        said, _ = predict("--device", device, name="none")
        assert said.code == 2
        assert device in said.err
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize("threads", [1, 2])
def test_threads_are_those_the_run_was_given(predict, threads, monkeypatch):
    given, compile_stage = [], predictor.compile_stage

    def compiling(source, shape, compute):
        given.append(compute.threads)
        return compile_stage(source, shape, compute)

    monkeypatch.setattr(predictor, "compile_stage", compiling)
    _, result = predict("--threads", threads)
    assert result.manifest.provenance["threads"] == threads
    assert given == [threads]


def test_runtime_is_the_one_named_and_both_agree(predict):
    results = []
    for runtime in ("openvino", "torch"):
        _, result = predict("--runtime", runtime, name=runtime)
        assert result.manifest.settings["runtime"] == runtime
        results.append(result)
    agreement = compare(results[0].poses, results[1].poses, gate=1.0)
    assert agreement.found > 0.99  # rounding decides about flat tops
    assert agreement.extra * 64 <= 4
    assert np.nanmax(agreement.errors) < 1e-2


def test_precision_is_the_one_named_or_an_error(predict):
    _, full = predict(name="full")
    assert full.manifest.settings["precision"] == "fp32"
    said, low = predict("--precision", "bf16", name="low")
    if low is None:
        assert said.code == 2
        assert "bf16" in said.err
        return
    assert low.manifest.settings["precision"] == "bf16"
    assert parts(low.path) != parts(full.path)
    _, chosen = predict("--precision", "auto", name="auto")
    assert chosen.manifest.settings["precision"] == "bf16"


def test_track_is_done_for_several_animals_alike_unless_it_is_left_out(predict):
    assert len(predict()[1].tracks) > 1
    assert predict("--no-track", name="without")[1].tracks == ()


def test_animals_are_as_many_tracks_at_most(predict):
    assert len(predict("--animals", 2)[1].tracks) == 2
    assert "--animals is for tracking" in predict("--animals", 2, model="single", name="s")[0].err


def test_format_decides_the_files(predict, tmp_path):
    predict("--format", "csv")
    assert {file.name for file in tmp_path.iterdir()} == {"r", "r.csv"}


def test_overwrite_is_needed_to_replace(predict):
    predict()
    words = ("--peak-threshold", "0.5")
    assert predict(*words)[0].code == 1
    assert predict(*words, "--overwrite")[0].code == 0


@pytest.mark.parametrize(
    ("words", "other", "named"),
    [
        (("--cropping", "0,40,0,40"), ("--cropping", "0,40,0,44"), "cropping"),
        (("--cropping", "0,40,0,40"), (), "cropping"),
        (("--detections",), (), "detections"),
        ((), ("--detections",), "detections"),
    ],
)
def test_what_was_looked_at_and_kept_otherwise_is_refused_by_name(predict, tmp_path, words, other, named):
    """Also where most of it is still to be done."""
    predict(*words, model="bottom-up")
    manifest = tmp_path / "r" / "manifest.json"
    for state in ("finished", "running"):
        manifest.write_text(manifest.read_text().replace('"finished"', f'"{state}"'))
        before = fingerprint(tmp_path)
        said, _ = predict(*other, model="bottom-up")
        assert (said.code, named in said.err) == (1, True)
        assert fingerprint(tmp_path) == before


def test_trust_code_runs_the_code_that_a_model_brings(ethopose_says, clip, tiny, tmp_path):
    folder = tmp_path / "mice"
    shutil.copytree(tiny("centroid"), folder)
    (folder / "parts.py").write_text(f"import pathlib; pathlib.Path({str(tmp_path / 'ran')!r}).touch()")
    (folder / "model.yaml").write_text((folder / "model.yaml").read_text() + "plugins: [parts.py]\n")
    line = ["predict", clip, "-m", folder, "-o", tmp_path / "r", "-b", BATCH]
    refused = ethopose_says(*line)
    assert refused.code == 2
    assert "parts.py" in refused.err
    assert not (tmp_path / "ran").exists()
    assert ethopose_says(*line, "--trust-code").code == 0
    assert (tmp_path / "ran").exists()


def test_profile_prints_where_the_time_went(predict):
    assert "bound by" not in predict(name="one")[0].out
    assert "bound by" in predict("--profile", name="other")[0].out


TESTED = {name for name in globals() if name.startswith("test_")}


def test_every_option_has_a_test_of_its_effect():
    elsewhere = {"strict", "conditions"}  # test_losses.py; families/test_dlc3_conditional.py
    options = {field.name for field in dataclasses.fields(Options)} - elsewhere
    assert all(any(test.startswith(f"test_{name}_") for test in TESTED) for name in options)


@pytest.mark.parametrize(
    "words",
    [
        ("-b", "0"),
        ("-b", "four"),
        ("--peak-threshold", "1.5"),
        ("--peak-threshold", "nan"),
        ("--max-instances", "0"),
        ("--threads", "0"),
        ("--runtime", "abacus"),
        ("--runtime", "openvino", "--device", "cuda"),
        ("--precision", "fp8"),
        ("--frames", "9-3"),
        ("--frames", "all"),
        ("--dynamic", "0.5,ten"),
        ("--dynamic", "0.5,10,1"),
        ("--dynamic", "1.5,10"),
        ("--dynamic", "range=3"),
        ("--top-down-dynamic", "patch_counts=3"),
        ("--top-down-dynamic", "patch_counts=0x2"),
        ("--top-down-dynamic", "bbox_from_hq=1"),
        ("--track-conditions", "bu_max_frequency=0"),
        ("--track-conditions", "bu_max_frequency=none"),
        ("--format", "docx"),
        ("--batch",),
        ("--nonsense", "1"),
    ],
    ids=" ".join,
)
def test_a_value_that_makes_no_sense_is_wrong_use_and_nothing_is_touched(
    ethopose_says, own_clip, tiny, words
):
    before = fingerprint(own_clip.parent)
    said = ethopose_says("predict", own_clip, "-m", tiny("centroid"), *words)
    assert said.code == 2
    assert len(said.err.splitlines()) == 1
    assert fingerprint(own_clip.parent) == before


@pytest.mark.parametrize(
    "options",
    [
        {"batchsize": 4},
        {"batch-size": 4},
        {"outfile": "x", "tracking": True},
        {"batch_size": 0},
        {"batch_size": "four"},
        {"peak_threshold": -0.1},
        {"peak_threshold": "high"},
        {"max_instances": 0},
        {"max_instances": 1.5},
        {"frames": "9-3"},
        {"frames": [1, 2, 3]},
        {"dynamic": True},
        {"dynamic": {"threshold": "high"}},
        {"threads": 0},
        {"format": "docx"},
        {"runtime": "abacus"},
        {"device": 3},
    ],
    ids=str,
)
def test_in_python_what_makes_no_sense_is_wrong_use_too(own_clip, tiny, options):
    before = fingerprint(own_clip.parent)
    with pytest.raises(UsageError):
        ethopose.predict(own_clip, tiny("centroid"), **options)
    assert fingerprint(own_clip.parent) == before


def test_an_unknown_option_is_answered_with_those_there_are(clip, tiny):
    with pytest.raises(UsageError) as wrong:
        ethopose.predict(clip, tiny("centroid"), batchsize=4)
    assert "batchsize" in str(wrong.value)
    assert all(field.name in str(wrong.value) for field in dataclasses.fields(Options))
