"""Frames become the peer's pictures, bit for bit."""

import numpy as np
import pytest
import torch
from grouping_scenes import CROP_SIZES, windows
from torch.nn import functional

from ethopose.models.preparation import crop, fit, resize, to_pictures
from ethopose.models.spec import Preparation


@pytest.fixture
def image(golden) -> np.ndarray:
    return _ours(golden["resize_img"])


def _ours(recorded: np.ndarray) -> np.ndarray:
    return np.moveaxis(recorded, 0, -1)[None]


@pytest.mark.parametrize("size", [(64, 64), (24, 64)])
def test_the_size_matcher_resizes_and_pads_as_the_peer_does(golden, image, size):
    name = f"sizematch_{size[0]}_{size[1]}"
    fitted = fit(image, Preparation(fit=size))
    np.testing.assert_array_equal(fitted.images, _ours(golden[name]))
    assert fitted.ratio == np.float32(golden[f"{name}_scale"])


@pytest.mark.parametrize(("name", "scale"), [("resize_half", 0.5), ("resize_0p7", 0.7)])
def test_scaling_is_that_of_the_peer(golden, image, name, scale):
    np.testing.assert_array_equal(to_pictures(image, Preparation(scale=scale)), _ours(golden[name]))


def test_padding_is_that_of_the_peer(golden, image):
    np.testing.assert_array_equal(to_pictures(image, Preparation(pad_to=16)), _ours(golden["pad16"]))


def test_gray_is_that_of_the_peer(golden, image):
    np.testing.assert_array_equal(fit(image, Preparation(color="gray")).images, _ours(golden["gray"]))


@pytest.mark.parametrize("size", [16, 17])
def test_crops_are_those_of_the_peer(golden, size):
    images = np.moveaxis(golden["crop_img"], 1, -1)
    windows, corner = crop(
        images, golden["crop_sample"], golden["crop_centroids"], Preparation(crop=(size, size))
    )
    np.testing.assert_array_equal(windows, np.moveaxis(golden[f"crop{size}_out"], 1, -1))
    np.testing.assert_array_equal(corner, golden[f"crop{size}_bboxes"][:, 0])


@pytest.mark.parametrize("size", CROP_SIZES)
def test_windows_over_the_border_are_those_of_the_peer(recorded, size):
    images, places, image = windows()
    cut, corner = crop(images[..., None], image, places, Preparation(crop=size))
    name = f"{size[0]} {size[1]}"
    np.testing.assert_array_equal(cut[..., 0], recorded[f"window {name}"])
    np.testing.assert_array_equal(corner, recorded[f"corner {name}"])


@pytest.mark.parametrize("size", [(1, 1), (37, 53), (12, 200), (111, 9), (3, 53)])
@pytest.mark.parametrize("shape", [(2, 37, 53, 1), (1, 64, 31, 3)])
def test_resizing_is_that_of_torch_at_any_size(shape, size):
    images = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    channels_first = torch.from_numpy(images).permute(0, 3, 1, 2)
    wanted = functional.interpolate(channels_first, size, mode="bilinear", antialias=True)
    np.testing.assert_array_equal(resize(images, *size), wanted.permute(0, 2, 3, 1).numpy())


@pytest.mark.parametrize(
    ("size", "fitted", "ratio"),
    [((None, None), (20, 30), 1), ((40, None), (40, 30), 1), ((None, 15), (20, 15), 0.5)],
)
def test_a_side_that_is_left_open_keeps_the_frames_own(size, fitted, ratio):
    images = np.full((1, 20, 30, 1), 9, np.uint8)
    made = fit(images, Preparation(fit=size))
    assert made.images.shape == (1, *fitted, 1)
    assert made.ratio == ratio
