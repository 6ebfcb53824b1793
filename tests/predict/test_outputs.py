"""Where results and files go, what stands in their way, and that nothing of it is touched."""

import shutil

import pytest
from sleap_nn_pair import write_pair

import ethopose
from clips import BATCH, write_clip
from commands import fingerprint, parts, same_slp
from ethopose.core import ResultError, UsageError
from ethopose.families import native
from ethopose.store import read

LINE = ("-b", BATCH)


def names(folder) -> set[str]:
    return {file.name for file in folder.iterdir()}


def test_a_result_and_its_file_lie_beside_the_video_under_the_models_name(ethopose_says, own_clip, tiny):
    said = ethopose_says("predict", own_clip, "-m", tiny("centroid"), *LINE)
    assert said.code == 0, said.err
    assert names(own_clip.parent) == {
        "clip.mp4",
        "clip.mp4.centroid.ethopose",
        "clip.mp4.centroid.predictions.slp",
    }
    result = own_clip.parent / "clip.mp4.centroid.ethopose"
    assert names(result) == {"manifest.json", "poses", "frames", "joins.parquet"}
    assert names(result / "poses") == names(result / "frames") == {"00000000.parquet"}
    assert str(result) in said.out


def test_a_pair_is_named_after_both_folders_in_any_order(ethopose_says, own_clip, tiny, tmp_path_factory):
    finder, reader = write_pair(tmp_path_factory.mktemp("pair"), tiny("top-down"))
    said = ethopose_says("predict", own_clip, "-m", finder, "-m", reader, "--runtime", "torch", *LINE)
    assert said.code == 0, said.err
    result = own_clip.parent / "clip.mp4.finder+reader.ethopose"
    assert names(own_clip.parent) == {
        "clip.mp4",
        result.name,
        "clip.mp4.finder+reader.predictions.slp",
    }
    assert len(read(result)) > 64
    before = fingerprint(own_clip.parent)
    again = ethopose_says("predict", own_clip, "-m", reader, "-m", finder, "--runtime", "torch", *LINE)
    assert again.code == 0
    assert fingerprint(own_clip.parent) == before


def test_a_model_is_named_after_its_folder_wherever_it_was_made(own_clip, tiny, tmp_path):
    shutil.copytree(tiny("centroid"), tmp_path / "rats")
    result = ethopose.predict(own_clip, tmp_path / "rats", batch_size=BATCH)
    assert result.path.name == "clip.mp4.rats.ethopose"


def test_a_models_name_leads_no_result_out_of_its_folder(own_clip, tiny, tmp_path):
    model = native.read([tiny("centroid")])
    spec = model.spec.model_copy(update={"name": "../../out"})
    native.write(tmp_path / "hostile", spec, [model.weights(0)])
    before = names(tmp_path.parent)
    try:
        result = ethopose.predict(own_clip, tmp_path / "hostile", batch_size=BATCH)
    except ethopose.EthoposeError:
        pass
    else:
        assert result.path.parent == own_clip.parent
    assert names(tmp_path.parent) == before


def test_out_names_the_result_of_one_video_and_the_folder_of_several(ethopose_says, tiny, tmp_path):
    one, other = write_clip(tmp_path / "one.mp4", 16), write_clip(tmp_path / "other.mp4", 24)
    said = ethopose_says("predict", one, "-m", tiny("centroid"), "-o", tmp_path / "deep" / "mine", *LINE)
    assert said.code == 0, said.err
    assert names(tmp_path / "deep") == {"mine", "mine.predictions.slp"}
    said = ethopose_says("predict", one, other, "-m", tiny("centroid"), "-o", tmp_path / "both", *LINE)
    assert said.code == 0, said.err
    assert names(tmp_path / "both") == {
        f"{video}.mp4.centroid{end}"
        for video in ("one", "other")
        for end in (".ethopose", ".predictions.slp")
    }
    assert len(read(tmp_path / "both" / "other.mp4.centroid.ethopose").frames) == 24


def test_videos_of_one_name_do_not_replace_each_others_results(tiny, tmp_path):
    clips = []
    for name, frames in (("a", 16), ("b", 24)):
        (tmp_path / name).mkdir()
        clips.append(write_clip(tmp_path / name / "clip.mp4", frames))
    for overwrite in (False, True):
        with pytest.raises(UsageError, match="one name"):
            ethopose.predict(
                clips, tiny("centroid"), out=tmp_path / "both", batch_size=BATCH, overwrite=overwrite
            )
    assert not (tmp_path / "both").exists()


def test_a_folder_of_videos_gives_a_report_or_is_refused_but_no_single_result(tiny, tmp_path):
    for name in ("one.mp4", "other.mp4"):
        write_clip(tmp_path / name, 16)
    try:
        given = ethopose.predict(tmp_path, tiny("centroid"), batch_size=BATCH)
    except UsageError:
        return
    assert isinstance(given, ethopose.Report)


@pytest.mark.parametrize("name", ["poses.csv", "clip.predictions.slp", "x.slp"])
def test_out_that_looks_like_a_file_is_wrong_use(ethopose_says, own_clip, tiny, name):
    before = fingerprint(own_clip.parent)
    said = ethopose_says("predict", own_clip, "-m", tiny("centroid"), "-o", own_clip.with_name(name))
    assert said.code == 2
    assert "--format" in said.err
    assert fingerprint(own_clip.parent) == before


@pytest.mark.parametrize(
    ("chosen", "files"),
    [
        (["csv"], {"r.csv"}),
        (["slp"], {"r.predictions.slp"}),
        (["none"], set()),
        (["csv", "slp"], {"r.csv", "r.predictions.slp"}),
        (["csv", "csv"], {"r.csv"}),
        ([], {"r.predictions.slp"}),
    ],
    ids=lambda value: "+".join(sorted(value)) or "default",
)
def test_formats_are_written_as_chosen_beside_the_result(ethopose_says, clip, tiny, tmp_path, chosen, files):
    options = [word for name in chosen for word in ("--format", name)]
    said = ethopose_says(
        "predict", clip, "-m", tiny("centroid"), "-o", tmp_path / "r.ethopose", *LINE, *options
    )
    assert said.code == 0, said.err
    assert names(tmp_path) == {"r.ethopose", *files}


@pytest.mark.parametrize("chosen", [["doc"], ["none", "csv"], ["CSV"]])
def test_an_unknown_format_is_wrong_use_that_names_those_there_are(
    ethopose_says, clip, tiny, tmp_path, chosen
):
    options = [word for name in chosen for word in ("--format", name)]
    said = ethopose_says("predict", clip, "-m", tiny("centroid"), "-o", tmp_path / "r", *LINE, *options)
    assert said.code == 2
    assert "csv, slp" in said.err
    assert not names(tmp_path)


@pytest.fixture
def made(ethopose_says, clip, tiny, tmp_path):
    """A finished result `r.ethopose` with both of its files."""
    line = ("predict", clip, "-m", tiny("centroid"), "-o", tmp_path / "r.ethopose", *LINE)
    assert ethopose_says(*line, "--format", "csv", "--format", "slp").code == 0
    return tmp_path / "r.ethopose"


def test_what_is_converted_later_is_what_was_written_at_once(ethopose_says, made, tmp_path):
    for name in ("later.csv", "later.slp"):
        assert ethopose_says("convert", made, tmp_path / name).code == 0
    assert (tmp_path / "later.csv").read_bytes() == made.with_suffix(".csv").read_bytes()
    assert same_slp(tmp_path / "later.slp", tmp_path / "r.predictions.slp")
    assert ethopose_says("convert", made, tmp_path / "later.csv").code == 1
    (tmp_path / "later.csv").write_text("mine")
    assert ethopose_says("convert", made, tmp_path / "later.csv", "--overwrite").code == 0
    assert (tmp_path / "later.csv").read_bytes() == made.with_suffix(".csv").read_bytes()


OTHERS = {
    "peak_threshold": ["--peak-threshold", "0.4"],
    "max_instances": ["--max-instances", "1"],
    "batch": ["-b", "16"],
    "frames": ["--frames", "0-9"],
    "runtime": ["--runtime", "torch"],
    "the model": [],
    "the video's sha256": [],
}


@pytest.mark.parametrize("what", OTHERS)
def test_another_model_setting_or_video_is_refused_by_name_and_overwrite_replaces(
    ethopose_says, clip, tiny, made, what
):
    model = tiny("centroid", 1) if what == "the model" else tiny("centroid")
    video = write_clip(made.parent / "clip.mp4", 24) if what == "the video's sha256" else clip
    line = ["predict", video, "-m", model, "-o", made, *LINE, *OTHERS[what]]
    before, old = fingerprint(made.parent), read(made).manifest
    said = ethopose_says(*line)
    assert said.code == 1
    assert what in said.err
    assert "--overwrite" in said.err
    assert str(made) in said.err
    assert fingerprint(made.parent) == before
    said = ethopose_says(*line, "--overwrite", "--format", "csv")
    assert said.code == 0, said.err
    new = read(made)
    assert new.finished
    assert (
        new.manifest.model,
        new.manifest.settings,
        new.manifest.video,
        new.manifest.batch,
        new.manifest.frames,
    ) != (
        old.model,
        old.settings,
        old.video,
        old.batch,
        old.frames,
    )
    convert = ethopose.convert(made, made.parent / "again.csv")
    assert convert.read_bytes() == made.with_suffix(".csv").read_bytes()


def test_overwrite_makes_a_finished_result_anew_and_leaves_other_names_alone(ethopose_says, clip, tiny, made):
    (made.parent / "r.txt").write_text("mine")
    old = parts(made)
    before = (made / "poses" / "00000000.parquet").stat().st_mtime_ns
    line = ("predict", clip, "-m", tiny("centroid"), "-o", made, *LINE, "--overwrite")
    assert ethopose_says(*line).code == 0
    assert parts(made) == old
    assert (made / "poses" / "00000000.parquet").stat().st_mtime_ns > before
    assert (made.parent / "r.txt").read_text() == "mine"


def test_a_foreign_file_in_the_way_is_refused_before_anything_runs(ethopose_says, own_clip, tiny):
    foreign = own_clip.parent / "clip.mp4.centroid.predictions.slp"
    foreign.write_text("a year of work")
    before = fingerprint(own_clip.parent)
    line = ("predict", own_clip, "-m", tiny("centroid"), *LINE)
    said = ethopose_says(*line)
    assert said.code == 1
    assert foreign.name in said.err
    assert fingerprint(own_clip.parent) == before
    assert names(own_clip.parent) == {"clip.mp4", foreign.name}
    assert ethopose_says(*line, "--overwrite").code == 0
    assert foreign.read_bytes() != b"a year of work"


def test_a_foreign_file_is_not_passed_off_as_made_from_a_finished_result(ethopose_says, own_clip, tiny):
    line = ("predict", own_clip, "-m", tiny("centroid"), *LINE)
    assert ethopose_says(*line, "--format", "none").code == 0
    foreign = own_clip.parent / "clip.mp4.centroid.predictions.slp"
    foreign.write_text("a year of work")
    said = ethopose_says(*line)
    assert foreign.read_text() == "a year of work"
    assert said.code == 1
    assert foreign.name in said.err


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_what_is_no_result_is_not_written_into_even_to_overwrite(clip, tiny, tmp_path, kind):
    place = tmp_path / "r"
    if kind == "folder":
        place.mkdir()
        (place / "notes.txt").write_text("mine")
    else:
        place.write_text("mine")
    before = fingerprint(tmp_path)
    for overwrite in (False, True):
        with pytest.raises(ResultError, match="not a result"):
            ethopose.predict(clip, tiny("centroid"), out=place, overwrite=overwrite, batch_size=BATCH)
    assert fingerprint(tmp_path) == before
