"""DeepLabCut's files: written as it wrote them, read by us and by pandas as they were written."""

import os
import pathlib
import pickle
import subprocess
import sys
import types
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import h5py
import numpy as np
import pytest
from dlc_files import CASES, given, recorded

from ethopose.core import DataError, FormatError, Poses, Skeleton
from ethopose.formats import FORMATS, format_for, read_poses
from ethopose.formats.careful_pickle import Standin, unpickle
from ethopose.formats.dlc import find_output, predict_output_path
from ethopose.formats.pandas_hdf5 import read_hdf
from ethopose.store import Result

ALL = pytest.mark.parametrize("case", CASES)


@pytest.fixture
def written(shared_data, make_result, tmp_path):
    """Writes the predictions of a case in a format: the case's folder, our file."""

    def write(case: str, name: str) -> tuple[pathlib.Path, pathlib.Path]:
        folder, path = shared_data / "dlc3" / "files" / case, tmp_path / f"clip{FORMATS[name].suffix}"
        poses, more = given(folder)
        FORMATS[name].write(make_result(poses, **more), path)
        return folder, path

    return write


def same(ours: Any, theirs: Any) -> None:
    """Equal in types, texts and numbers, however deep."""
    if isinstance(theirs, Standin):
        theirs = "/".join(theirs.args).replace("//", "/") if "pathlib" in theirs.name else theirs.args[0]
    assert type(ours) is type(theirs)
    if isinstance(theirs, dict):
        assert list(ours) == list(theirs)
        for key in theirs:
            same(ours[key], theirs[key])
    elif isinstance(theirs, list | tuple):
        assert len(ours) == len(theirs)
        for one, other in zip(ours, theirs, strict=True):
            same(one, other)
    elif isinstance(theirs, np.ndarray):
        assert ours.dtype == theirs.dtype
        if theirs.dtype == np.float64:  # what was given was more precise than a result
            np.testing.assert_allclose(ours, theirs, rtol=1e-7, atol=1e-8)
        else:
            np.testing.assert_array_equal(ours, theirs)
    else:
        assert ours == theirs


@pytest.mark.parametrize("case", ["single", "multi_plain_100_frames"])
def test_the_table_is_the_recorded_one(written, case):
    folder, path = written(case, "dlc-h5")
    theirs = recorded(folder, "_50.h5")
    ours, wanted = read_hdf(path), read_hdf(theirs)
    assert ours.columns == wanted.columns
    assert ours.rows == wanted.rows
    np.testing.assert_array_equal(ours.values, wanted.values)
    with h5py.File(path) as mine, h5py.File(theirs) as other:
        group, reference = mine["df_with_missing"], other["df_with_missing"]
        assert group["table"].dtype == reference["table"].dtype
        for one, another in ((mine, other), (group, reference), (group["table"], reference["table"])):
            assert set(one.attrs) == set(another.attrs)
            for name in one.attrs:
                assert str(one.attrs[name]) == str(another.attrs[name]), name
                kinds = [each.attrs.get_id(name).get_type() for each in (one, another)]
                if kinds[0].get_class() == h5py.h5t.STRING:
                    assert kinds[0].get_cset() == kinds[1].get_cset(), name


def test_the_table_of_texts_is_the_recorded_one(written):
    folder, path = written("single", "dlc-csv")
    assert path.read_bytes() == recorded(folder, ".csv").read_bytes()


@ALL
def test_all_detections_are_the_recorded_ones(written, case):
    folder, path = written(case, "dlc-full")
    same(pickle.loads(path.read_bytes()), unpickle(recorded(folder, "_full.pickle").read_bytes()))


@pytest.mark.parametrize("case", CASES[1:])
def test_the_animals_are_the_recorded_ones(written, case):
    folder, path = written(case, "dlc-assemblies")
    same(pickle.loads(path.read_bytes()), unpickle(recorded(folder, "_assemblies.pickle").read_bytes()))


@ALL
def test_what_is_told_of_the_run_is_what_is_recorded(written, case):
    folder, path = written(case, "dlc-meta")
    ours = pickle.loads(path.read_bytes())["data"]
    theirs = unpickle(recorded(folder, "_meta.pickle").read_bytes())["data"]
    assert list(ours) == list(theirs)
    for name in ("start", "stop", "run_duration"):
        assert type(ours.pop(name)) is type(theirs.pop(name)) is float
    config, wanted = ours.pop("pytorch-config"), theirs.pop("pytorch-config")
    same(ours, theirs)
    assert sorted(config) == sorted(wanted)
    for name, value in wanted.items():
        if name != "detector":  # its learning rates are texts in YAML 1.1
            same(config[name], value)


def interpreters() -> list[str]:
    """Pythons that have pandas with PyTables: this one perhaps, and those that ETHOPOSE_PANDAS names."""
    return [*filter(None, os.environ.get("ETHOPOSE_PANDAS", "").split(os.pathsep)), sys.executable]


READS = """
import sys, numpy as np, pandas as pd
table = pd.read_hdf(sys.argv[1])
assert list(table.columns.names) == sys.argv[2].split(), table.columns.names
np.save(sys.argv[3], table.to_numpy())
print(*("/".join(column) for column in table.columns), *table.index, table.dtypes.iloc[0], sep="\\n")
"""


@pytest.mark.parametrize("case", ["single", "multi_unique_identity"])
@pytest.mark.parametrize("python", interpreters())
def test_pandas_reads_the_table_back(written, tmp_path, python, case):
    if subprocess.run([python, "-c", "import pandas, tables"], capture_output=True, check=False).returncode:
        pytest.skip(f"{python} lacks pandas with PyTables; ETHOPOSE_PANDAS names others")
    _, path = written(case, "dlc-h5")
    levels = "scorer bodyparts coords" if case == "single" else "scorer individuals bodyparts coords"
    command = [python, "-W", "error", "-c", READS, path, levels, tmp_path / "values.npy"]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split("\n")
    wanted = read_hdf(path)
    names = ["/".join(column) for column in wanted.columns]
    assert told == [*names, *(row for (row,) in wanted.rows), "float32", ""]
    np.testing.assert_array_equal(np.load(tmp_path / "values.npy"), wanted.values)


@ALL
def test_recorded_files_hold_the_animals_that_were_given(shared_data, case):
    folder = shared_data / "dlc3" / "files" / case
    poses, _ = given(folder)
    wanted = np.concatenate(
        [poses.xy, np.where(np.isnan(poses.xy[..., :1]), np.nan, poses.confidence[..., None])], 2
    )
    endings = ["_full.pickle"] + ["_assemblies.pickle"] * (case != "single") + ["50.h5"] * ("plain" in case)
    for ending in endings:
        form, file = read_poses(recorded(folder, ending))
        assert form.name == {"50.h5": "dlc-h5"}.get(ending, f"dlc{ending.split('.')[0].replace('_', '-')}")
        np.testing.assert_array_equal(file.frames, np.arange(len(file.frames)))
        np.testing.assert_array_equal(file.poses.frame, poses.frame)
        found = np.concatenate([file.poses.xy, file.poses.confidence[..., None]], axis=2)
        np.testing.assert_array_equal(found, wanted)
        if ending != "_assemblies.pickle":  # which names no keypoints
            assert file.poses.skeleton.keypoints == poses.skeleton.keypoints
            assert file.poses.skeleton.unique == poses.skeleton.unique


@pytest.mark.parametrize(
    ("case", "ending"), [("multi_unique_identity", "_el"), ("topdown_box_tracker", "_bx")]
)
def test_tracks_are_read_and_written_again(shared_data, make_result, tmp_path, case, ending):
    source = recorded(shared_data / "dlc3" / "files" / case, f"{ending}.h5")
    file = FORMATS["dlc-h5"].read(source)
    assert file.tracks == ("animal0", "animal1", "animal2")
    scorer = source.name.removeprefix("clip").removesuffix(f"{ending}.h5")
    result = make_result(file.poses, file.frames, tracks=file.tracks, model={"name": scorer, "digest": "d"})
    FORMATS["dlc-h5"].write(result, tmp_path / "again.h5")
    ours, theirs = read_hdf(tmp_path / "again.h5"), read_hdf(source)
    assert ours.columns == theirs.columns
    assert ours.rows == theirs.rows
    assert ours.bytes == theirs.bytes == 8
    np.testing.assert_array_equal(ours.values, theirs.values.astype(np.float32))


def test_tracks_of_texts_are_those_of_the_table(shared_data):
    folder = shared_data / "dlc3" / "files" / "multi_unique_identity"
    text, table = (read_poses(recorded(folder, f"_el{suffix}"))[1] for suffix in (".csv", ".h5"))
    assert text.tracks == table.tracks
    np.testing.assert_array_equal(text.poses.track, table.poses.track)
    np.testing.assert_array_equal(text.poses.xy, table.poses.xy)


@pytest.mark.parametrize(
    ("case", "ending"), [("multi_unique_identity", "_el"), ("topdown_box_tracker", "_bx")]
)
def test_tracklets_are_pieces_of_the_animals_that_were_given(shared_data, case, ending):
    folder = shared_data / "dlc3" / "files" / case
    form, file = read_poses(recorded(folder, f"{ending}.pickle"))
    poses, _ = given(folder)
    assert form.name == "dlc-tracklets"
    assert file.poses.skeleton.keypoints == poses.skeleton.keypoints
    animals = file.poses[file.poses.track >= 0]
    assert len(np.unique(animals.track)) == len(file.tracks) > 2
    for frame, points in zip(animals.frame, animals.xy, strict=True):
        there = poses.xy[poses.frame == frame]
        assert any(np.array_equal(points, other, equal_nan=True) for other in there)


class Attack:
    def __init__(self, marker: pathlib.Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Any, ...]:
        return pathlib.Path.touch, (self.marker,)


class Command(Attack):
    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch {self.marker}",)


@pytest.mark.parametrize("name", ["dlc-full", "dlc-meta", "dlc-assemblies", "dlc-tracklets"])
@pytest.mark.parametrize("attack", [Attack, Command])
def test_a_pickle_executes_nothing(tmp_path, name, attack):
    marker = tmp_path / "executed"
    hostile = {key: attack(marker) for key in ("metadata", "data", "single", "header")}
    path = tmp_path / f"clip{FORMATS[name].suffix}"
    path.write_bytes(pickle.dumps(hostile))
    with pytest.raises(FormatError, match="not a readable dlc") as error:
        FORMATS[name].read(path)
    assert not marker.exists()
    assert len(str(error.value).splitlines()) == 1


def test_a_table_executes_nothing(written, tmp_path):
    _, path = written("single", "dlc-h5")
    with h5py.File(path, "a") as file:
        names = np.bytes_(pickle.dumps(Command(tmp_path / "executed"), 0))
        file["df_with_missing/table"].attrs["values_block_0_kind"] = names
    with pytest.raises(FormatError, match="no place"):
        FORMATS["dlc-h5"].read(path)
    assert not (tmp_path / "executed").exists()


def test_a_small_pickle_cannot_grow_without_end(tmp_path):
    joints = [np.zeros((40_000, 2), np.float32)] * 50
    frame = {"coordinates": (joints,), "confidence": [joint[:, :1] for joint in joints]}
    data = {"metadata": {"all_joints_names": [f"k{n}" for n in range(50)]}}
    data |= {f"frame{number}": frame for number in range(10_000)}
    path = tmp_path / "clip_full.pickle"
    path.write_bytes(pickle.dumps(data))
    with pytest.raises(FormatError, match="claims"):
        FORMATS["dlc-full"].read(path)


def test_detections_that_no_animals_were_made_of_are_refused(tmp_path):
    joints = [np.zeros((count, 2), np.float32) for count in (3, 2)]
    frame = {"coordinates": (joints,), "confidence": [joint[:, :1] for joint in joints], "costs": None}
    path = tmp_path / "clip_full.pickle"
    path.write_bytes(pickle.dumps({"metadata": {"all_joints_names": ["a", "b"]}, "frame0": frame}))
    with pytest.raises(FormatError, match="not put together"):
        FORMATS["dlc-full"].read(path)


SKELETON = Skeleton(("nose", "tail"))


def one_animal(frames: np.ndarray) -> Poses:
    n = len(frames)
    xy = np.arange(n * 4, dtype=np.float32).reshape(n, 2, 2)
    return Poses(SKELETON, frames, xy, np.full((n, 2), 0.5, np.float32), np.ones(n, np.float32))


@pytest.mark.parametrize(
    ("count", "first", "last"),
    [(1, "frame0", "frame0"), (10, "frame0", "frame9"), (11, "frame00", "frame10")],
)
def test_frames_are_named_by_as_many_digits_as_the_last_one_has(make_result, tmp_path, count, first, last):
    path = tmp_path / "clip_full.pickle"
    FORMATS["dlc-full"].write(make_result(one_animal(np.arange(count))), path)
    data = pickle.loads(path.read_bytes())
    assert list(data)[:2] == ["metadata", first]
    assert list(data)[-1] == last
    assert data["metadata"]["nframes"] == count
    assert data["metadata"]["key_str_width"] == (0 if count == 1 else len(last) - len("frame"))


def test_a_video_without_animals_has_all_its_frames(make_result, tmp_path):
    nobody = one_animal(np.arange(0))
    for name in ("dlc-h5", "dlc-full", "dlc-assemblies", "dlc-csv"):
        path = tmp_path / f"clip{FORMATS[name].suffix}"
        FORMATS[name].write(make_result(nobody, np.arange(9)), path)
        file = FORMATS[name].read(path)
        assert file.frames.tolist() == list(range(9))
        assert len(file.poses) == 0
    assert np.all(read_hdf(tmp_path / "clip.h5").values == -1)


def test_tracks_of_a_model_itself_are_a_table_of_predictions(make_result, tmp_path):
    poses = replace(one_animal(np.arange(4)), track=np.array([2, 2, 0, 0], np.int32))
    facts = {"deeplabcut": {"individuals": ["a", "b", "c"], "multi_animal": True}}
    result = make_result(poses, np.arange(4), tracks=("a", "b", "c"), provenance=facts)
    for name in ("dlc-ctd", "dlc-full", "dlc-assemblies"):
        FORMATS[name].write(result, tmp_path / f"clip{FORMATS[name].suffix}")
    table = read_hdf(tmp_path / "clip_ctd.h5")
    assert table.bytes == 4
    there = (table.values.reshape(4, 3, -1) != -1).all(-1)
    assert there.tolist() == [[False, False, True]] * 2 + [[True, False, False]] * 2
    again = FORMATS["dlc-ctd"].read(tmp_path / "clip_ctd.h5")
    assert again.poses.track.tolist() == [2, 2, 0, 0]
    assert format_for(tmp_path / "clip_ctd.h5") is FORMATS["dlc-ctd"]
    full = pickle.loads((tmp_path / "clip_full.pickle").read_bytes())
    assert (full["frame0"]["coordinates"][0][0][:2] == -1).all()
    assert len(pickle.loads((tmp_path / "clip_assemblies.pickle").read_bytes())[0]) == 1


def test_coordinates_are_relative_to_the_crop(make_result, tmp_path):
    settings = {"cropping": [40, 600, 20, 460]}
    result = make_result(
        one_animal(np.arange(3)), settings=settings, video={"path": "clip.mp4", "width": 640, "height": 480}
    )
    for name in ("dlc-h5", "dlc-meta"):
        FORMATS[name].write(result, tmp_path / f"clip{FORMATS[name].suffix}")
    found = FORMATS["dlc-h5"].read(tmp_path / "clip.h5").poses.xy
    np.testing.assert_array_equal(found, one_animal(np.arange(3)).xy - np.float32([40, 20]))
    told = pickle.loads((tmp_path / "clip_meta.pickle").read_bytes())["data"]
    assert told["frame_dimensions"] == (560, 440)
    assert told["cropping"] is True
    assert told["cropping_parameters"] == [40, 600, 20, 460]


def test_more_columns_than_an_attribute_of_old_files_holds(make_result, tmp_path):
    names = tuple(f"a keypoint of number {number}" for number in range(3000))
    points = np.random.default_rng(0).random((2, 3000, 3), np.float32)
    poses = Poses(Skeleton(names), np.arange(2), points[..., :2], points[..., 2], np.ones(2, np.float32))
    FORMATS["dlc-h5"].write(make_result(poses), tmp_path / "clip.h5")
    np.testing.assert_array_equal(FORMATS["dlc-h5"].read(tmp_path / "clip.h5").poses.xy, poses.xy)


def named(scorer: str, *formats: str) -> SimpleNamespace:
    """A model of this name, which writes so when it tracks."""
    return SimpleNamespace(spec=SimpleNamespace(name=scorer, tracked_formats=formats))


def test_the_place_of_the_table_is_known_before(tmp_path):
    model = named("DLC_Resnet50_demoJan01shuffle1_snapshot_50")
    name = "clipDLC_Resnet50_demoJan01shuffle1_snapshot_50.h5"
    assert predict_output_path(tmp_path / "clip.mp4", model) == tmp_path / name
    assert predict_output_path("videos/clip.avi", model.spec.name, "out") == pathlib.Path("out") / name


def test_the_table_of_a_video_is_found_by_its_model_or_as_the_only_one(tmp_path):
    video = tmp_path / "cam1.mp4"
    old, new = (f"DLC_resnet50_miceJan1shuffle1_{uid}" for uid in ("150000", "snapshot_best-20"))
    assert find_output(video) is None
    for name in (f"cam1{old}_el.h5", f"cam10{old}.h5", f"cam1{old}.csv", "cam1_manual.h5"):
        (tmp_path / name).touch()
    assert find_output(video) is None, "tracks, other videos, other files"
    (tmp_path / f"cam1{old}.h5").touch()
    assert find_output(video) == find_output(video, new) == tmp_path / f"cam1{old}.h5"
    (tmp_path / f"cam1{new}.h5").touch()
    assert find_output(video, new) == find_output("cam1.mp4", new, tmp_path) == tmp_path / f"cam1{new}.h5"
    with pytest.raises(DataError, match=rf"several tables of cam1.mp4: cam1{old}.h5, cam1{new}.h5"):
        find_output(video)


def test_tables_of_tracks_and_of_superanimal_are_told_and_found_too(tmp_path):
    video, scorer = tmp_path / "cam1.mp4", "DLC_CtdCoamW32_miceJan1shuffle2_snapshot_9"
    several, one = named(scorer, "dlc-ctd", "dlc-full"), named(scorer, "dlc-h5")
    table = tmp_path / f"cam1{scorer}_ctd.h5"
    assert predict_output_path(video, several, tracks=True) == table
    assert predict_output_path(video, one, tracks=True).name == f"cam1{scorer}.h5"
    assert find_output(video, several, tracks=True) is None
    table.touch()
    assert find_output(video, several, tracks=True) == find_output(video, tracks=True) == table
    assert find_output(video, several) is None
    for name in ("superanimal_bird_resnet_50_ssdlite", "superanimal_bird_resnet_50_ssdlite_el"):
        (tmp_path / f"cam1_{name}.h5").touch()
    assert find_output(video) == predict_output_path(video, "superanimal_bird_resnet_50_ssdlite")
    (tmp_path / "cam1mice.h5").touch()  # of a converted model
    assert find_output(video, "mice") == tmp_path / "cam1mice.h5"


def test_a_result_is_counted_once_for_all_its_files(shared_data, make_result, tmp_path, monkeypatch):
    poses, more = given(shared_data / "dlc3/files/multi_plain_100_frames")
    passes, parts = [], Result.__iter__
    monkeypatch.setattr(Result, "__iter__", lambda self: passes.append(self) or parts(self))
    result = make_result(poses, **more)
    for name in ("dlc-meta", "dlc-full", "dlc-h5"):
        FORMATS[name].write(result, tmp_path / f"clip{FORMATS[name].suffix}")
    assert len(passes) == 3, "once to count, and once for each that holds poses"


def test_what_deeplabcut_2_told_of_a_video_is_read(tmp_path, monkeypatch):
    """It kept the numbers of its configuration as its reader of YAML made them."""

    class ScalarFloat(float):
        def __init__(self, value: float) -> None:
            self.width = 4

    ScalarFloat.__module__, ScalarFloat.__qualname__ = "ruamel.yaml.scalarfloat", "ScalarFloat"
    library = types.ModuleType("ruamel.yaml.scalarfloat")
    library.ScalarFloat = ScalarFloat  # type: ignore[attr-defined]
    for name in ("ruamel", "ruamel.yaml"):
        monkeypatch.setitem(sys.modules, name, types.ModuleType(name))
    monkeypatch.setitem(sys.modules, "ruamel.yaml.scalarfloat", library)
    config = {"all_joints_names": ["snout", "tail"], "training set": ScalarFloat(0.95)}
    told = {"data": {"nframes": 7, "DLC-model-config file": config}}
    path = tmp_path / "clip_meta.pickle"
    path.write_bytes(pickle.dumps(told))
    file = FORMATS["dlc-meta"].read(path)
    assert file.poses.skeleton.keypoints == ("snout", "tail")
    assert len(file.frames) == 7


@pytest.mark.parametrize("name", ["montblanc", "trimouse"])
def test_what_tells_of_an_evaluation_is_no_video(shared_data, name):
    with pytest.raises(FormatError, match="it tells of no video"):
        FORMATS["dlc-meta"].read(shared_data / "dlc_pickles" / f"{name}_meta.pickle")


def test_a_table_that_is_cut_short_says_so(written):
    _, path = written("single", "dlc-h5")
    path.write_bytes(path.read_bytes()[:3000])
    with pytest.raises(FormatError, match="not a readable dlc-h5 file: it is cut short; in"):
        read_poses(path)
