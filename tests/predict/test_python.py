"""The same in Python, and the parts for those who have no ethopose."""

import json
import subprocess
import sys

import numpy as np
import pytest

import ethopose
from clips import BATCH, write_clip

COLUMNS = ["frame", "individual", "track", "score", "identity_score"] + [
    f"{keypoint}.{what}" for keypoint in ("left", "middle", "right") for what in ("x", "y", "confidence")
]


@pytest.fixture(scope="module")
def result(clip, tiny, tmp_path_factory):
    out = tmp_path_factory.mktemp("python") / "r.ethopose"
    return ethopose.predict(clip, tiny("bottom-up"), out=out, batch_size=BATCH, format="none")


@pytest.mark.parametrize("as_text", [True, False])
def test_one_video_gives_its_result(clip, tiny, tmp_path, as_text):
    kind = str if as_text else lambda path: path
    result = ethopose.predict(
        kind(clip), kind(tiny("centroid")), out=kind(tmp_path / "r"), batch_size=BATCH, format="csv"
    )
    assert isinstance(result, ethopose.Result)
    assert result.path == tmp_path / "r"
    assert (tmp_path / "r.csv").is_file()


def test_a_list_of_videos_gives_a_report_keyed_by_video(tiny, tmp_path):
    clips = [write_clip(tmp_path / name, frames) for name, frames in (("b.mp4", 16), ("a.mp4", 24))]
    report = ethopose.predict([str(clip) for clip in clips], tiny("centroid"), batch_size=BATCH)
    assert isinstance(report, ethopose.Report)
    assert list(report.results) == clips
    assert [len(result.frames) for result in report.results.values()] == [16, 24]
    assert report.files == {
        clip: (clip.with_name(f"{clip.name}.centroid.predictions.slp"),) for clip in clips
    }
    assert (report.failures, report.losses, report.exit_code) == ({}, {}, 0)


def test_a_list_of_one_video_gives_a_report_too(clip, tiny, tmp_path):
    report = ethopose.predict([clip], tiny("centroid"), out=tmp_path / "r", batch_size=BATCH)
    assert report.results[clip].path == tmp_path / "r"


def test_a_loaded_model_serves_as_its_folder_does(clip, tiny, result, tmp_path):
    model = ethopose.load(tiny("bottom-up"))
    again = ethopose.predict(clip, model, out=tmp_path / "r", batch_size=BATCH)
    assert np.array_equal(again.xy, result.xy, equal_nan=True)


def test_a_result_is_arrays_of_one_row_an_animal(result):
    n = len(result)
    assert n > 100
    shapes = {
        "frame": ((n,), np.int64),
        "xy": ((n, 3, 2), np.float32),
        "confidence": ((n, 3), np.float32),
        "score": ((n,), np.float32),
        "track": ((n,), np.int32),
        "individual": ((n,), np.int16),
        "identity_score": ((n,), np.float32),
    }
    for name, (shape, dtype) in shapes.items():
        assert (getattr(result, name).shape, getattr(result, name).dtype) == (shape, dtype), name
    assert np.all(np.diff(result.frame) >= 0)
    assert np.array_equal(np.bincount(result.frame, minlength=64), result.frames.animals)
    assert np.nanmin(result.confidence) > 0.2
    height, width = (48, 64)
    assert np.nanmin(result.xy) > -4
    assert np.nanmax(result.xy[..., 0]) < width + 4
    assert np.nanmax(result.xy[..., 1]) < height + 4
    assert np.all(result.individual == -1)
    assert result.track.max() == len(result.tracks) - 1
    assert np.all((result.track >= 0) == (result.identity_score > 0))


def test_a_result_is_a_table_of_pandas(result):
    table = result.to_pandas()
    assert list(table.columns) == COLUMNS
    assert np.array_equal(table["frame"], result.frame)
    for index, keypoint in enumerate(result.skeleton.keypoints):
        for axis, name in enumerate("xy"):
            values = table[f"{keypoint}.{name}"].to_numpy()
            assert np.array_equal(values, result.xy[:, index, axis], equal_nan=True)


def test_the_kept_result_is_read_back_the_same(result):
    again = ethopose.read(result.path)
    assert np.array_equal(again.xy, result.xy, equal_nan=True)
    assert again.finished


READ = """
import glob, json, sys
sys.modules["ethopose"] = None
folder = sys.argv[1]
import pandas, polars
one = pandas.read_parquet(folder + "/poses")
other = polars.read_parquet(folder + "/poses/*.parquet")
frames = pandas.read_parquet(folder + "/frames")
xs = [name for name in one.columns if name.endswith(".x")]
told = [
    [list(t.columns), t["frame"].to_list(), [float(t[name].sum()) for name in xs]]
    for t in (one, other.fill_nan(None))
]
print(json.dumps([*told, list(frames.columns), frames["animals"].to_list()]))
"""


def test_pandas_and_polars_read_the_parts_where_there_is_no_ethopose(result):
    line = [sys.executable, "-I", "-c", READ, str(result.path)]
    read = subprocess.run(line, capture_output=True, text=True, check=False)
    assert read.returncode == 0, read.stderr
    *tables, columns, animals = json.loads(read.stdout)
    sums = np.nansum(result.xy[..., 0], axis=0, dtype=np.float64)
    for names, frames, totals in tables:
        assert names == COLUMNS
        assert frames == result.frame.tolist()
        np.testing.assert_allclose(totals, sums, rtol=1e-4)
    assert columns == ["frame", "time", "status", "animals"]
    assert animals == result.frames.animals.tolist()


def test_the_seconds_of_a_run_are_those_of_its_own_video(tiny, tmp_path, monkeypatch):
    from ethopose.predict import provenance

    told, at_end = [], provenance.at_end
    monkeypatch.setattr(provenance, "at_end", lambda seconds: told.append(seconds) or at_end(seconds))
    clips = [write_clip(tmp_path / name, 64) for name in ("a.mp4", "b.mp4", "c.mp4")]
    ethopose.predict(clips, tiny("centroid", 2), batch_size=4, runtime="torch")
    assert len(told) == 3
    assert told[2] < told[0] + told[1]  # the first also loads; added up they could not be less
