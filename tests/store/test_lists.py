"""Lists a frame come back as they were stored, by name, and damage to them is told."""

import numpy as np
import pytest
from small_result import MANIFEST, part_of

from ethopose import store
from ethopose.core import DataError, FormatError

UNITS = {"peaks.left.ear.x": "px", "nowhere": "1"}


def lists_for(frames: np.ndarray) -> dict[str, store.Lists]:
    """Drawn from the frames' numbers; some are empty, in some parts all are."""
    rows = [np.arange(frame % 4, dtype=np.float32) + frame for frame in frames.tolist()]
    few = [row if frame > 11 else row[:0] for row, frame in zip(rows, frames.tolist(), strict=True)]
    return {"peaks.left.ear.x": store.lists_of(rows), "nowhere": store.lists_of(few)}


@pytest.fixture
def result(tmp_path) -> store.Result:
    manifest = MANIFEST.model_copy(update={"lists": UNITS})
    with store.start(tmp_path / "r", manifest) as writer:
        while missing := writer.manifest.missing():
            frames, poses = part_of(manifest, missing[0][0])
            writer.write_part(frames, poses, lists_for(frames.frame))
        writer.finish()
    return store.read(tmp_path / "r")


def test_lists_come_back_as_they_were(result):
    for part in result:
        wanted = lists_for(part.frames.frame)
        assert result.lists(part).keys() == UNITS.keys()
        for name in UNITS:
            (found,) = result.lists(part, [name]).values()
            np.testing.assert_array_equal(found.length, wanted[name].length)
            np.testing.assert_array_equal(found.value, wanted[name].value)
            assert [len(row) for row in found.split()] == found.length.tolist()
        assert result.lists(part, ["no such"]) == {}


def test_lists_that_are_damaged_or_gone_are_told_and_their_part_is_made_again(result):
    part = next(iter(result))
    path = min((result.path / "lists").iterdir())
    content = path.read_bytes()
    path.write_bytes(content[:-9] + b"x" + content[-8:])
    with pytest.raises(FormatError, match="damaged"):
        result.lists(part)
    path.unlink()
    with store.start(result.path, result.manifest) as writer:
        assert not writer.finished
        assert len(writer.manifest.missing()) == 1


def test_a_part_without_the_lists_that_are_declared_is_refused(tmp_path):
    manifest = MANIFEST.model_copy(update={"lists": UNITS})
    frames, poses = part_of(manifest, 0)
    with (
        store.start(tmp_path / "r", manifest) as writer,
        pytest.raises(DataError, match="not those declared"),
    ):
        writer.write_part(frames, poses, {"nowhere": lists_for(frames.frame)["nowhere"]})
    with pytest.raises(DataError, match="are no lists of 3 in all"):
        store.Lists(np.array([1, 2]), np.zeros(2, np.float32))
