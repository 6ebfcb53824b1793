"""Kill, truncate, fill the disk, corrupt, at every step: nothing lost, nothing twice, a clear line."""

import errno

import numpy as np
import pytest
from small_result import JOINS, MANIFEST, SKELETON, Disk, Killed, files, make, part_of

from ethopose import store
from ethopose.core import FormatError, ResultError, join_poses
from ethopose.store import atomic


def is_a_beginning(result: store.Result, manifest: store.Manifest) -> bool:
    """Whether the result holds whole parts of what the manifest asks for, from the first on, each once."""
    starts = range(0, result.manifest.n_done, manifest.part_frames)
    expected = join_poses([part_of(manifest, done)[1] for done in starts], SKELETON)
    if len(result.joins) != result.finished:
        return False
    same_poses = np.array_equal(result.xy, expected.xy, equal_nan=True)
    return same_poses and np.array_equal(result.frames.frame, manifest.selected(0, result.manifest.n_done))


def count_operations(use_disk, work) -> int:
    disk = use_disk(Disk())
    work()
    use_disk(atomic.Disk())
    return len(disk.log)


def test_a_run_killed_at_any_operation_continues_to_the_same_bytes(tmp_path, use_disk):
    steps = count_operations(use_disk, lambda: make(tmp_path / "once"))
    assert steps > 60
    for step in range(1, steps + 1):
        path = tmp_path / f"killed-{step}"
        use_disk(Disk(step))
        with pytest.raises(Killed):
            make(path)
        use_disk(atomic.Disk())
        assert not store.is_result(path) or is_a_beginning(store.read(path), MANIFEST), step
        make(path)
        assert files(path) == files(tmp_path / "once"), step


def test_killed_twice_is_no_worse_than_once(tmp_path, use_disk):
    make(tmp_path / "once")
    for first, second in [(20, 9), (33, 20), (47, 11), (60, 3)]:
        path = tmp_path / f"killed-{first}-{second}"
        for step in (first, second):
            use_disk(Disk(step))
            with pytest.raises(Killed):
                make(path)
        use_disk(atomic.Disk())
        make(path)
        assert files(path) == files(tmp_path / "once")


def test_an_overwriting_run_killed_at_any_operation_never_shows_a_mixture(tmp_path, use_disk):
    old = MANIFEST.model_copy(
        update={"frames": ((0, 20),), "model": store.ModelRecord(name="old", digest="0")}
    )
    make(tmp_path / "steps", old)
    steps = count_operations(use_disk, lambda: make(tmp_path / "steps", overwrite=True))
    for step in range(1, steps + 1):
        path = tmp_path / f"killed-{step}"
        make(path, old)
        use_disk(Disk(step))
        with pytest.raises(Killed):
            make(path, overwrite=True)
        use_disk(atomic.Disk())
        result = store.read(path)
        is_old = result.manifest.model.digest == "0"
        assert is_a_beginning(result, old if is_old else MANIFEST), step
        assert result.manifest.n_done == old.n_frames or not is_old, step
        make(path, overwrite=True)
        assert files(path) == files(tmp_path / "steps"), step


def test_a_full_disk_is_said_and_the_same_writer_can_go_on(tmp_path, use_disk):
    make(tmp_path / "once")
    with store.start(tmp_path / "r", MANIFEST) as writer:
        before = files(tmp_path / "r")
        for step in range(1, 15):
            use_disk(Disk(step, OSError(errno.ENOSPC, "No space left on device")))
            with pytest.raises(ResultError, match=r"No space left.*fix: free some space"):
                writer.write_part(*part_of(MANIFEST, 0))
            assert writer.done == 0
            assert not [name for name in files(tmp_path / "r") if atomic.TEMPORARY in name]
            assert files(tmp_path / "r")["manifest.json"] == before["manifest.json"]
        use_disk(atomic.Disk())
        while writer.done < MANIFEST.n_frames:
            writer.write_part(*part_of(MANIFEST, writer.done))
        writer.finish({"seconds": 2.5}, joins=JOINS)
    assert files(tmp_path / "r") == files(tmp_path / "once")


def test_bytes_are_on_the_disk_before_they_get_their_name(tmp_path, use_disk):
    disk = use_disk(Disk())
    with store.replacing(tmp_path / "a") as file:
        file.write(b"1")
    assert disk.log == ["create", "write", "sync", "replace", "sync_folder"]


def test_a_block_that_fails_leaves_the_old_file_and_no_other(tmp_path):
    (tmp_path / "a.csv").write_bytes(b"old")

    def fail() -> None:
        with store.replacing(tmp_path / "a.csv") as file:
            file.write(b"new")
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert files(tmp_path) == {"a.csv": b"old"}


def test_a_place_that_does_not_exist_is_named(tmp_path):
    with pytest.raises(ResultError, match="No such file"), store.replacing(tmp_path / "none" / "a"):
        pass


@pytest.mark.parametrize("folder", ["poses", "frames"])
@pytest.mark.parametrize("damage", ["cut short", "gone", "one bit", "end"])
def test_a_damaged_part_is_named(tmp_path, folder, damage):
    result = make(tmp_path / "r")
    path = result.path / folder / "00000011.parquet"
    content = bytearray(path.read_bytes())
    content[40 if damage == "one bit" else -10] ^= 16
    path.write_bytes(content[:-7] if damage == "cut short" else content)
    if damage == "gone":
        path.unlink()
    with pytest.raises(FormatError, match="00000011"):
        list(store.read(tmp_path / "r"))


@pytest.mark.parametrize("folder", ["poses", "frames"])
def test_a_part_cut_short_is_made_anew_alone(tmp_path, folder):
    make(tmp_path / "once")
    result = make(tmp_path / "r")
    path = result.path / folder / "00000011.parquet"
    path.write_bytes(path.read_bytes()[:-1])
    with store.start(tmp_path / "r", MANIFEST) as writer:
        assert writer.manifest.missing() == ((8, 16),)
        assert not writer.finished
        assert writer.done == MANIFEST.n_frames - 8
    make(tmp_path / "r")
    assert files(tmp_path / "r") == files(tmp_path / "once")


DAMAGED = {
    "empty": b"",
    "cut": b'{"schema": 1, "state": "fin',
    "list": b"[1]",
    "deep": b"[" * 10**6,
    "no keys": b'{"schema": 1}',
    "bytes": bytes(range(256)),
    "skeleton": MANIFEST.model_dump_json().replace('"tail"', '"nose"').encode(),
    "edge": MANIFEST.model_dump_json().replace("[[0,1],[0,2]]", "[[0,1],[0,9]]").encode(),
}


@pytest.mark.parametrize("content", DAMAGED.values(), ids=DAMAGED)
def test_a_damaged_manifest_is_named_and_replaced_only_when_asked(tmp_path, content):
    result = make(tmp_path / "r")
    (result.path / "manifest.json").write_bytes(content)
    with pytest.raises(FormatError, match=r"manifest\.json"):
        store.read(tmp_path / "r")
    with pytest.raises(FormatError, match=r"manifest\.json"):
        store.start(tmp_path / "r", MANIFEST)
    assert (result.path / "manifest.json").read_bytes() == content
    assert store.start(tmp_path / "r", MANIFEST, overwrite=True).done == 0


def test_parts_of_another_skeleton_are_not_read_as_ours(tmp_path):
    result = make(tmp_path / "r")
    text = (result.path / "manifest.json").read_text()
    (result.path / "manifest.json").write_text(text.replace('"tail"', '"head"').replace('"tail.', '"head.'))
    with pytest.raises(FormatError, match=r"columns are missing: head\.x"):
        _ = store.read(tmp_path / "r").xy
