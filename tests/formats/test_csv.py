"""The table that people open in other programs."""

import numpy as np
import pandas as pd
import polars as pl
import pytest

from ethopose.core import FormatError, Poses, Skeleton
from ethopose.formats import FORMATS, read_poses

CSV = FORMATS["csv"]


@pytest.fixture
def path(make_result, tmp_path):
    xy = np.array([[[1.5, 2], [np.nan, np.nan]], [[3, 4], [5, 0.1]]], np.float32)
    confidence = np.array([[0.9, np.nan], [1, 0.25]], np.float32)
    skeleton = Skeleton(("nose", "tail, tip"))
    poses = Poses(skeleton, np.array([3, 7]), xy, confidence, np.array([1, 0.5], np.float32))
    CSV.write(make_result(poses), tmp_path / "clip.csv")
    return tmp_path / "clip.csv"


def test_the_table_is_what_a_person_expects(path):
    assert path.read_text().splitlines() == [
        '"frame","individual","track","score","identity_score","nose.x","nose.y","nose.confidence",'
        '"tail, tip.x","tail, tip.y","tail, tip.confidence"',
        "3,-1,-1,1,,1.5,2,0.9,,,",
        "7,-1,-1,0.5,,3,4,1,5,0.1,0.25",
    ]


def test_pandas_and_polars_read_it(path):
    assert pd.read_csv(path)["tail, tip.x"].isna().tolist() == [True, False]
    assert pl.read_csv(path)["tail, tip.x"].to_list() == [None, 5]


def test_a_table_that_pandas_wrote_is_read(path):
    table = pd.read_csv(path)
    table["mood"] = "fine"
    table.to_csv(path, index=False, na_rep="nan")
    poses = CSV.read(path).poses
    assert poses.skeleton.keypoints == ("nose", "tail, tip")
    np.testing.assert_array_equal(poses.xy[:, 1], np.array([[np.nan, np.nan], [5, 0.1]], np.float32))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("\n3,", "\n9,"),
        ("\n3,", "\n,"),
        ("\n3,", "\n3.5,"),
        (",1.5,", ",left,"),
        ("nose.y", "nose.x"),
        ("track", "t"),
    ],
)
def test_a_table_that_makes_no_sense_is_refused(path, old, new):
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(FormatError, match=r"clip\.csv"):
        CSV.read(path)


def test_a_table_of_something_else_says_which_columns_it_lacks(tmp_path):
    (tmp_path / "steps.csv").write_text("day,steps\n1,2000\n")
    with pytest.raises(FormatError, match=r"no columns are named NAME\.x"):
        read_poses(tmp_path / "steps.csv")
