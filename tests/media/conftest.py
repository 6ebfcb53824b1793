"""Fixtures of the media tests."""

from pathlib import Path

import pytest
from media_samples import MAKERS


@pytest.fixture(scope="session")
def videos(tmp_path_factory):
    """The path of a kind of video, made once."""
    made: dict[str, Path] = {}

    def path_of(kind: str) -> Path:
        if kind not in made:
            made[kind] = MAKERS[kind](tmp_path_factory.mktemp("videos"))
        return made[kind]

    return path_of


@pytest.fixture(params=MAKERS)
def any_video(request, videos) -> Path:
    return videos(request.param)
