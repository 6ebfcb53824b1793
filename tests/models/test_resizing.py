"""Frames are resized as DeepLabCut's configurations ask, and places come back to where they were."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from ethopose.models.preparation import fit
from ethopose.models.spec import Preparation, Resized

CASES = {
    "shape changed": {"size": (97, 131), "keep": False},
    "shape kept": {"size": (80, 90)},
    "longest": {"longest": 61},
    "both": {"size": (77, 333), "longest": 150},
    "longer": {"longest": 131},
}


@pytest.mark.parametrize("name", CASES)
def test_pictures_and_scales_are_those_that_the_peer_recorded(name, shared_data):
    recorded = np.load(Path(__file__).parent / "golden/resizing.npz")
    image = cv2.imread(str(shared_data / "dlc3/images/odd_121x90.png"))[None, ..., ::-1]
    fitted = fit(np.ascontiguousarray(image), Preparation(color="rgb", resized=Resized(**CASES[name])))
    wanted = recorded[f"{name}/picture"]
    assert fitted.images.shape == (1, *wanted.shape)
    # OpenCV's builds round differently here and there
    assert np.abs(fitted.images[0].astype(int) - wanted).max() <= 1
    np.testing.assert_allclose(1 / fitted.ratio, recorded[f"{name}/scales"], rtol=1e-6)


def test_a_place_comes_back_to_where_it_was():
    images = np.zeros((1, 90, 120, 3), np.uint8)
    images[0, 42:48, 57:63] = 255
    for told in CASES.values():
        fitted = fit(images, Preparation(color="rgb", resized=Resized(**told)))
        rows, columns = np.nonzero(fitted.images[0, ..., 0] > 127)
        place = np.array([columns.mean(), rows.mean()]) + 0.5
        np.testing.assert_allclose(place / fitted.ratio, (60, 45), atol=1)
