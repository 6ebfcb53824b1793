"""Folders of small videos."""

from collections.abc import Callable
from pathlib import Path

import pytest

from clips import write_clip


@pytest.fixture(scope="session")
def clips(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The bytes of small videos by name; bad ones are as good as the others until something happens."""
    folder = tmp_path_factory.mktemp("clips")
    return {name: write_clip(folder / name, 64).read_bytes() for name in ("a.mp4", "b_bad.mp4", "c.mp4")}


@pytest.fixture
def videos(clips: dict[str, bytes], tmp_path: Path) -> Path:
    """A folder with three videos."""
    folder = tmp_path / "videos"
    folder.mkdir()
    for name, content in clips.items():
        (folder / name).write_bytes(content)
    return folder


@pytest.fixture
def run_all(tiny: Callable[..., Path]) -> Callable:
    """`ethopose.run` with a tiny model, on one worker of one thread."""
    from ethopose.run import run

    def go(sources: object, **settings: object):
        told = {"format": "none", "device": "cpu", "threads": 1, "batch_size": 4, **settings}
        return run(sources, tiny(), **told)

    return go
