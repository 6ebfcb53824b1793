"""DeepLabCut's files: written as it wrote them, read by us and by pandas as they were written."""

import os
import pathlib
import pickle
import subprocess
import sys
from typing import Any

import h5py
import numpy as np
import pytest

from dlc_files import CASES, given, recorded
from ethopose.core import FormatError, Poses, Skeleton
from ethopose.formats import FORMATS, read_poses
from ethopose.formats.careful_pickle import Standin, unpickle
from ethopose.formats.pandas_hdf5 import read_hdf

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
