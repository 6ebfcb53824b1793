"""What info says of things that are known, and of things that are not there."""

import json
import subprocess
import sys

import pytest

from ethopose.about import describe, info
from ethopose.core import FormatError, ModelError, UsageError, VideoError
from ethopose.families import load
from ethopose.formats import FORMATS


def test_a_model_tells_its_skeleton_its_stages_and_how_many_numbers_it_learnt(model):
    facts = info(model)
    assert (facts["is"], facts["name"], facts["kind"]) == ("model", "mice", "top_down")
    assert facts["edges"] == [["nose", "ear"], ["nose", "tail"]]
    assert facts["stages"][0]["preparation"]["crop"] == [32, 24]
    assert facts["stages"][0]["parameters"] == 12
    assert facts["paths"] == [str(model)]


@pytest.mark.parametrize("name", ["model.yaml", "weights.safetensors"])
def test_a_file_of_a_model_stands_for_its_folder(model, name):
    assert info(model / name) == info(model)


def test_a_table_in_a_model_folder_is_not_taken_for_poses(model):
    (model / "training_log.csv").write_text("epoch,loss\n1,0.5\n")
    assert info(model / "training_log.csv")["is"] == "model"


def test_weights_that_cannot_be_counted_leave_the_number_out(model):
    (model / "weights.safetensors").write_bytes(b"\xff" * 20)
    assert "parameters" not in info(model)["stages"][0]


def test_info_on_a_model_loads_neither_torch_nor_openvino(model):
    code = "import sys, ethopose; ethopose.info(sys.argv[1]); print({'torch', 'openvino'} & set(sys.modules))"
    assert subprocess.check_output([sys.executable, "-c", code, model], text=True) == "set()\n"


def test_a_video_tells_size_length_colour_codec_and_the_results_beside_it(clip, result):
    result.path.with_name("clip.mp4.mice.slp").write_text("an export is no result")
    facts = info(clip)
    assert (facts["is"], facts["frames"], facts["height"], facts["width"]) == ("video", 50, 32, 48)
    assert (facts["fps"], facts["seconds"], facts["gray"]) == (25, 2, True)
    assert facts["codec"] in ("h264", "mpeg4")
    assert facts["results"] == ["clip.mp4.mice.ethopose"]


def test_a_folder_of_images_has_a_size_and_no_time(images):
    facts = info(images)
    assert (facts["is"], facts["frames"], facts["width"]) == ("folder of images", 3, 30)
    assert not {"fps", "seconds", "codec"} & facts.keys()


def test_a_folder_of_videos_asks_for_one_of_them(clip):
    with pytest.raises(UsageError, match=r"folder of 1 videos.*clip\.mp4"):
        info(clip.parent)


def test_a_result_tells_its_state_its_losses_its_settings_and_what_lies_beside_it(result):
    FORMATS["slp"].write(result, result.path.with_name("clip.mp4.mice.slp"))
    facts = info(result.path)
    assert (facts["state"], facts["frames"], facts["frames_done"], facts["animals"]) == (
        "finished",
        10,
        10,
        3,
    )
    assert (facts["frames_undecodable"], facts["frames_skipped"]) == (1, 2)
    assert (facts["runs"], facts["settings"]) == ([[0, 7], [20, 21]], {"peak_threshold": 0.25})
    assert facts["individuals"] == ["a", "b"]
    assert facts["provenance"]["timestamp_end"] == "2026-01-02T03:04:05+00:00"
    assert facts["beside"] == ["clip.mp4.mice.slp"]


@pytest.mark.parametrize("name", ["manifest.json", "poses/00000000.parquet"])
def test_a_file_of_a_result_stands_for_its_folder(result, name):
    assert info(result.path / name) == info(result.path)


def test_a_damaged_part_is_told_and_the_rest_as_well(result):
    (result.path / "frames" / "00000000.parquet").write_bytes(b"")
    facts = info(result.path)
    assert "00000000.parquet" in facts["damage"]
    assert facts["animals"] == 3
    assert "frames_undecodable" not in facts


def test_a_file_of_poses_tells_frames_animals_and_tracks(result):
    path = result.path.with_name("poses.slp")
    FORMATS["slp"].write(result, path)
    facts = info(str(path))
    assert (facts["is"], facts["format"], facts["frames"], facts["animals"]) == ("poses", "slp", 10, 3)
    assert (facts["first_frame"], facts["last_frame"], facts["keypoints_found"]) == (0, 21, 1)
    assert facts["tracks"] == ["a", "b"]


@pytest.mark.parametrize("fixture", ["model", "clip", "images", "result"])
def test_facts_are_json_and_every_row_is_text(fixture, request):
    found = request.getfixturevalue(fixture)
    facts = info(getattr(found, "path", found))
    assert json.loads(json.dumps(facts, allow_nan=False)) == facts
    rows = describe(facts)
    assert all(isinstance(word, str) and word for row in rows for word in row)


def test_what_is_not_there_is_one_clear_line(tmp_path):
    with pytest.raises(UsageError, match="there is nothing"):
        info(tmp_path / "nowhere")


def test_what_is_unknown_is_told_with_all_that_is_known(tmp_path):
    (tmp_path / "notes.md").write_text("hello")
    for path in (tmp_path, tmp_path / "notes.md"):
        with pytest.raises(UsageError, match=r"SLEAP-NN.*video.*images.*result.*\.slp.*pair"):
            info(path)


def test_what_is_damaged_is_an_error_of_its_kind(tmp_path, model):
    for name, kind in (("a.mp4", VideoError), ("a.slp", FormatError)):
        (tmp_path / name).write_bytes(b"no")
        with pytest.raises(kind):
            info(tmp_path / name)
    (model / "model.yaml").write_text("name: mice")
    with pytest.raises(ModelError):
        info(model)


def test_a_sleap_nn_model_half_of_a_pair_and_a_pair_are_described(shared_data):
    models = shared_data / "sleap_nn" / "models"
    centroid, instance = models / "minimal_instance_centroid", models / "minimal_instance_centered_instance"
    pair = info([instance, centroid])
    assert (len(pair["stages"]), pair["keypoints"], pair["writes"]) == (2, ["A", "B"], ["slp"])
    half = info(instance)
    assert (half["family"], half["name"], half["kind"]) == ("SLEAP-NN", instance.name, "centered_instance")
    assert half["stages"] == pair["stages"][1:]
    assert "centroid model" in half["needs"]
    assert pair["needs"] is None
    with pytest.raises(UsageError, match="-m CENTROID"):
        load(instance)
    with pytest.raises(UsageError, match="no pair"):
        info([centroid, centroid])
