"""A window that follows the animal sees what DeepLabCut recorded of it, whether or not the run is stopped."""

import shutil

import numpy as np
import pandas as pd
import pytest

import ethopose

CASE = "dlc3/real/analyze_videos/dynamic"


@pytest.fixture(scope="module")
def project(shared_data, tmp_path_factory):
    """The recorded project with its video, where both may be written beside."""
    folder = tmp_path_factory.mktemp("dynamic") / "openfield"
    shutil.copytree(
        shared_data / "dlc3/real/openfield-Pranav-2018-10-30", folder, copy_function=shutil.copyfile
    )
    return folder


def dynamic(project, out, **options):
    """A prediction as the recording was made."""
    clip = next((project / "videos").glob("*.mp4"))
    return ethopose.predict(clip, project, out=out, dynamic="0.5,20", **options)


def table(path) -> np.ndarray:
    """(frame, keypoint, x y likelihood)"""
    frame = pd.read_hdf(path)
    return frame.to_numpy().reshape(len(frame), -1, 3)


@pytest.mark.slow
def test_the_peer_s_window_and_poses_are_ours(shared_data, project, tmp_path):
    result = dynamic(project, tmp_path / "r.ethopose")
    recorded = next((shared_data / CASE).glob("*.h5"))
    theirs, ours = table(recorded), table(tmp_path / recorded.name)
    assert len(result.frames) == len(theirs) == 150
    distance = np.linalg.norm(theirs[..., :2] - ours[..., :2], axis=-1)
    assert np.mean(distance < 0.1) >= 0.99
    assert np.abs(theirs - ours)[..., 2].max() < 1e-2
    assert result.manifest.settings["dynamic"] == {"threshold": 0.5, "margin": 20}
    assert result.manifest.settings["runtime"] == "torch"
