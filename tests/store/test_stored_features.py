"""Appearance vectors come back as they were stored, row by row; damage to them is told."""

import zlib

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from small_result import MANIFEST, Disk, Killed, files, part_of

from ethopose import store
from ethopose.core import DataError, FormatError, ResultError
from ethopose.store import atomic

MANIFEST = MANIFEST.model_copy(update={"features": {"keypoints": 6, "crop": 4}})


def vectors_for(poses) -> dict[str, np.ndarray]:
    """Drawn from the poses' own numbers, NaN where a keypoint was not found."""
    keypoints = np.repeat(poses.xy[..., 0], 2, -1).astype(np.float16)
    return {"keypoints": keypoints, "crop": np.outer(poses.score, np.arange(4)).astype(np.float16)}


def make(path, manifest: store.Manifest = MANIFEST) -> store.Result:
    with store.start(path, manifest) as writer:
        while not writer.finished and (missing := writer.manifest.missing()):
            frames, poses = part_of(manifest, missing[0][0])
            writer.write_part(frames, poses, features=vectors_for(poses))
        return writer.finish()


@pytest.fixture
def result(tmp_path) -> store.Result:
    return make(tmp_path / "r")


def test_vectors_come_back_as_they_were(result):
    again = store.read(result.path)
    for part in again:
        found, wanted = again.features(part), vectors_for(part.poses)
        assert found.keys() == wanted.keys()
        for name, each in wanted.items():
            assert found[name].dtype == np.float16
            np.testing.assert_array_equal(found[name], each)
            np.testing.assert_array_equal(again.features(part, [name])[name], each)
        assert again.features(part, ["no such"]) == {}


def test_pandas_reads_them_without_ethopose(result):
    part = next(iter(result))
    table = pd.read_parquet(min((result.path / "features").iterdir()))
    assert list(table) == ["keypoints", "crop"]
    np.testing.assert_array_equal(np.stack(table["crop"]), vectors_for(part.poses)["crop"])


def test_vectors_that_are_damaged_or_gone_are_told_and_their_part_is_made_again(result):
    part, before = next(iter(result)), files(result.path)
    path = min((result.path / "features").iterdir())
    content = path.read_bytes()
    path.write_bytes(content[:-9] + b"x" + content[-8:])
    with pytest.raises(FormatError, match="damaged"):
        result.features(part)
    path.unlink()
    with pytest.raises(FormatError, match="it is missing"):
        result.features(part)
    assert make(result.path).finished
    after = files(result.path)
    assert {name: after[name] for name in before if "parquet" in name} == {
        name: content for name, content in before.items() if "parquet" in name
    }


def test_a_run_killed_at_any_operation_continues_to_the_same_bytes(tmp_path, use_disk):
    disk = use_disk(Disk())
    make(tmp_path / "once")
    for step in range(1, len(disk.log) + 1, 4):
        use_disk(Disk(step))
        with pytest.raises(Killed):
            make(tmp_path / f"killed-{step}")
        use_disk(atomic.Disk())
        make(tmp_path / f"killed-{step}")
        assert files(tmp_path / f"killed-{step}") == files(tmp_path / "once"), step


def test_a_result_with_other_vectors_is_another_one_and_leaves_none_behind(result):
    other = MANIFEST.model_copy(update={"features": {}})
    with pytest.raises(ResultError, match="the setting features is"):
        store.start(result.path, other)
    with store.start(result.path, other, overwrite=True) as writer:
        writer.write_part(*part_of(other, 0))
    assert list((result.path / "features").iterdir()) == []


@pytest.mark.parametrize(
    "change",
    [
        lambda told: {},
        lambda told: {"crop": told["crop"]},
        lambda told: told | {"more": told["crop"]},
        lambda told: told | {"crop": told["crop"].astype(np.float32)},
        lambda told: told | {"crop": told["crop"][:-1]},
        lambda told: told | {"crop": told["crop"][:, :3]},
    ],
)
def test_other_vectors_than_those_declared_are_refused(tmp_path, change):
    frames, poses = part_of(MANIFEST, 0)
    with store.start(tmp_path / "r", MANIFEST) as writer:
        with pytest.raises(DataError, match="features are"):
            writer.write_part(frames, poses, features=change(vectors_for(poses)))
        assert list((tmp_path / "r" / "features").iterdir()) == []


def test_a_file_of_vectors_of_another_size_is_told(result):
    record = result.manifest.parts[0]
    path = min((result.path / "features").iterdir())
    table = pq.read_table(path).select(["crop"]).rename_columns(["keypoints"])
    pq.write_table(table, path)
    content = path.read_bytes()
    update = {"features_bytes": len(content), "features_crc32": zlib.crc32(content)}
    parts = (record.model_copy(update=update), *result.manifest.parts[1:])
    changed = store.Result(result.path, result.manifest.model_copy(update={"parts": parts}))
    with pytest.raises(FormatError, match="wanted lists of 6 float16"):
        changed.features(next(iter(changed)), ["keypoints"])
    with pytest.raises(FormatError, match="features are missing: crop"):
        changed.features(next(iter(changed)))
