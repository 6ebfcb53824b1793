"""Clips that several tests of predictions read."""

from pathlib import Path

import pytest

from clips import write_clip


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """64 frames of a small world."""
    return write_clip(tmp_path_factory.mktemp("clip") / "clip.mp4")


@pytest.fixture(scope="session")
def long_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """3,000 frames: three parts."""
    return write_clip(tmp_path_factory.mktemp("clip") / "long.mp4", 3000)


@pytest.fixture
def own_clip(clip: Path, tmp_path: Path) -> Path:
    """The clip in a folder of its own, so that what lies beside it is this test's."""
    path = tmp_path / "clip.mp4"
    path.write_bytes(clip.read_bytes())
    return path
