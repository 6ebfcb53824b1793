"""Assemblies as DeepLabCut 2 wrote them: a list of animals a frame, and no unique keypoints."""

import numpy as np
import pytest

from ethopose.formats import read_poses


@pytest.mark.parametrize("name", ["trimouse", "montblanc"])
def test_assemblies_of_deeplabcut_2_are_read(shared_data, name):
    folder = shared_data / "tracking" / "real"
    form, file = read_poses(folder / f"{name}_assemblies.pickle")
    told = np.load(folder / f"{name}.assemblies.npz")
    assert form.name == "dlc-assemblies"
    own = np.array([key not in file.poses.skeleton.unique for key in file.poses.skeleton.keypoints])
    animals = np.isfinite(file.poses.xy[:, own]).all(-1).any(1)
    there = np.isfinite(told["data"][..., :2]).all(-1).any(1)
    np.testing.assert_array_equal(file.poses.frame[animals], told["frame"][there])
    np.testing.assert_allclose(file.poses.xy[animals][:, own], told["data"][there][..., :2], rtol=1e-6)
    np.testing.assert_allclose(file.poses.confidence[animals][:, own], told["data"][there][..., 2], rtol=1e-6)
