"""Labels and results that several tests of evaluations read."""

from importlib import import_module

import pytest
from labelled_worlds import WORLD, image_labels, shifted, stored


@pytest.fixture
def labels(tmp_path):
    """20 images of the clip, two animals of three keypoints."""
    return image_labels(tmp_path / "clip")


@pytest.fixture
def result(tmp_path):
    """The truth of the clip, moved by 5 px."""
    return stored(tmp_path / "clip.mp4.mice.ethopose", shifted(WORLD.truth), tmp_path / "clip.mp4")


@pytest.fixture
def unwritten(monkeypatch):
    """Evaluations that draw nothing, for tests of numbers."""
    monkeypatch.setattr(import_module("ethopose.evaluate.measure"), "write", lambda evaluation: None)
