"""Crops around boxes are the peer's, to the pixel."""

import json

import numpy as np

from ethopose.models.boxes import BoxCrop, crop_boxes


def test_crops_are_those_that_the_peer_recorded(shared_data):
    cases = json.loads((shared_data / "dlc3/decode/index.json").read_text())["crop"]["cases"]
    with np.load(shared_data / "dlc3/decode/crop.npz") as stored:
        recorded = dict(stored)
    assert len(cases) == 72
    for case in cases:
        how = BoxCrop(tuple(case["output_size"][::-1]), case["margin"], case["crop_with_context"])
        box = np.array([case["bbox"]], float)
        made = crop_boxes(recorded["image"][None], np.zeros(1, np.int64), box, how)
        np.testing.assert_array_equal(made.corner[0], case["offset"])
        np.testing.assert_allclose(made.scale[0], case["scale"])
        assert made.images[0].sum((0, 1)).tolist() == recorded[f"sum/{case['i']}"].tolist()
        if f"crop/{case['i']}" in recorded:
            np.testing.assert_array_equal(made.images[0], recorded[f"crop/{case['i']}"])


def test_a_box_that_lies_outside_is_all_zeros():
    image = np.full((1, 40, 50, 3), 200, np.uint8)
    made = crop_boxes(image, np.zeros(1, np.int64), np.array([[80.0, 90.0, 10.0, 10.0]]), BoxCrop((32, 32)))
    assert not made.images.any()
