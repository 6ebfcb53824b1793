"""Exact preparation: what is drawn at a place is seen where its coordinates say, there and back."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ethopose.models.preparation import crop, fit, scaled, to_pictures, unscaled
from ethopose.models.spec import Preparation

points = st.tuples(st.floats(-50, 2000, width=32), st.floats(-50, 2000, width=32))


@given(xy=points, scale=st.floats(0.1, 2), exact=st.booleans())
def test_a_place_goes_there_and_back(xy, scale, exact):
    preparation = Preparation(scale=scale, exact=exact)
    there = scaled(np.array(xy, np.float32), preparation)
    np.testing.assert_allclose(unscaled(there, preparation), xy, rtol=1e-5, atol=1e-3)


def spot(shape: tuple[int, int], x: float, y: float, sigma: float = 4.0) -> np.ndarray:
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    bump = 250 * np.exp(-((rows - y) ** 2 + (columns - x) ** 2) / (2 * sigma**2))
    return bump.round().astype(np.uint8)[None, :, :, None]


def middle(picture: np.ndarray) -> np.ndarray:
    weight = picture[..., 0].astype(float)
    rows, columns = np.mgrid[: weight.shape[0], : weight.shape[1]]
    return np.array(((weight * columns).sum(), (weight * rows).sum())) / weight.sum()


@pytest.mark.parametrize("scale", [0.31, 0.5, 0.77, 1.0, 1.3])
@pytest.mark.parametrize("shape", [(97, 131), (120, 160)])
def test_a_spot_is_seen_where_the_scaled_coordinates_say(shape, scale):
    preparation = Preparation(scale=scale, exact=True, pad_to=16)
    places = [(30.0, 25.0), (95.25, 70.5), (60.7, 41.3)]
    for place in places:
        picture = to_pictures(fit(spot(shape, *place), preparation).images, preparation)
        assert all(side % 16 == 0 for side in picture.shape[1:3])
        wanted = scaled(np.array(place, np.float32), preparation)
        np.testing.assert_allclose(middle(picture[0]), wanted, atol=0.05)
        np.testing.assert_allclose(unscaled(middle(picture[0]), preparation), place, atol=0.1)


@given(
    x=st.floats(25, 100, width=32),
    y=st.floats(25, 70, width=32),
    height=st.integers(30, 50),
    width=st.integers(30, 50),
)
def test_a_spot_in_a_crop_is_where_its_corner_says(x, y, height, width):
    preparation = Preparation(crop=(height, width), exact=True)
    centroid = np.array([[x, y]], np.float32)
    windows, corner = crop(spot((97, 131), x, y, sigma=2.5), np.zeros(1, np.int64), centroid, preparation)
    np.testing.assert_allclose(middle(windows[0]) + corner[0], (x, y), atol=0.05)
    assert corner.dtype == np.float32
    assert np.all(corner == np.round(corner))
