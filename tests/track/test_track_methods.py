"""The trackers of other tools, by name."""

import numpy as np
import pytest
from herds import apart, herd, switches, write_herd

import ethopose
from ethopose.core import UsageError, VideoError

FLIES = {
    "t_fixed_default": ("simple", {}),
    "t_local_max2": ("simple", {"candidates_method": "local_queues", "max_tracks": "2"}),
    "t_fixed_centroid_eucl_w10": (
        "simple",
        {"features": "centroids", "scoring_method": "euclidean_dist", "tracking_window_size": "10"},
    ),
    "t_bytetrack": ("bytetrack", {}),
}


def same_partition(one: np.ndarray, other: np.ndarray) -> float:
    """Share of the rows that are on the same track, whatever these are called."""
    pairs, count = np.unique(np.stack([one, other]), axis=1, return_counts=True)
    best = {track: count[pairs[0] == track].max() for track in np.unique(pairs[0])}
    return sum(best.values()) / len(one)


@pytest.mark.parametrize("name", FLIES)
def test_sleap_nns_tracks_come_out_as_it_recorded_them(shared_data, tmp_path, name):
    method, options = FLIES[name]
    flies = shared_data / "tracks" / "clip.untracked.slp"
    tracked = ethopose.track(flies, tmp_path / "flies.ethopose", method=method, options=options)
    told = np.load(shared_data / "tracks" / "recorded" / f"{name}.npz")["track"]
    assert same_partition(told, tracked.track) == same_partition(tracked.track, told) == 1
    assert tracked.manifest.settings["track"] == {"method": method, "animals": None, **options}
    assert len(tracked.joins) == 0


def test_flow_looks_at_the_frames_and_others_do_not(tmp_path):
    from clips import write_clip

    clip = write_clip(tmp_path / "clip.mp4", 12)
    slp = ethopose.convert(write_herd(tmp_path / "herd.ethopose", herd(apart(12, 2))), tmp_path / "herd.slp")
    tracked = ethopose.track(slp, tmp_path / "flow.ethopose", method="flow", video=clip)
    assert (tracked.track >= 0).all()
    with pytest.raises(VideoError, match="not there"):
        ethopose.track(slp, tmp_path / "blind.ethopose", method="flow")
    with pytest.raises(UsageError, match="nothing looks at the video"):
        ethopose.track(tmp_path / "herd.ethopose", method="simple", video=clip)


@pytest.mark.parametrize("method", ["ellipse", "box", "skeleton"])
@pytest.mark.parametrize("animals", [None, 3])
def test_deeplabcuts_trackers_follow_animals_that_never_meet(tmp_path, method, animals):
    some = herd(apart(200))
    source = write_herd(tmp_path / "herd.ethopose", some)
    tracked = ethopose.track(source, animals=animals, method=method)
    assert len(tracked) == len(some.frame)
    if method == "box":  # loses animals whose boxes turn
        assert len(tracked.tracks) == (animals or len(tracked.tracks))
        return
    assert len(tracked.tracks) == 3
    assert switches(some, tracked.track) == 0


def test_what_a_tracker_makes_up_is_a_row_of_its_own(tmp_path):
    some = herd(apart(200))
    gone = (some.animal == 1) & (some.frame == 100)
    source = write_herd(tmp_path / "herd.ethopose", some.without(gone))
    tracked = ethopose.track(source, method="skeleton", options={"max_age": "3"})
    assert len(tracked) == len(some.frame)
    assert [int(part.frames.animals.sum()) for part in tracked] == [len(part.poses) for part in tracked]


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ({"method": "magic"}, "no method is named 'magic'"),
        ({"options": {"gap": "5"}}, "the method ethopose has no option gap"),
        ({"method": "ellipse", "options": {"gap": "5"}}, "has no option gap"),
        ({"method": "ellipse", "options": {"max_age": "soon"}}, "max_age is 'soon'"),
        ({"method": "simple", "options": {"features": "colour"}}, "colour"),
        ({"method": "bytetrack", "options": {"gap": "5"}}, "has no option gap"),
        ({"gap": 5}, "tracking has no option gap"),
    ],
)
def test_methods_and_options_that_are_not_there_are_refused(tmp_path, how, words):
    source = write_herd(tmp_path / "herd.ethopose", herd(apart(20)))
    with pytest.raises(UsageError, match=words):
        ethopose.track(source, tmp_path / "out.ethopose", **how)
    assert not (tmp_path / "out.ethopose").exists()


def test_a_result_is_not_tracked_into_itself(tmp_path):
    source = write_herd(tmp_path / "herd.ethopose", herd(apart(20)))
    before = sorted(file.name for file in source.path.rglob("*"))
    with pytest.raises(UsageError, match="into itself"):
        ethopose.track(source, source.path, overwrite=True, redo=True)
    assert sorted(file.name for file in source.path.rglob("*")) == before


def test_the_command_takes_methods_and_their_options(tmp_path, ethopose_says):
    source = write_herd(tmp_path / "herd.ethopose", herd(apart(60)))
    said = ethopose_says(
        "track", source.path, "--method", "simple", "--option", "tracking-window-size=8", "--json"
    )
    assert said.code == 0
    assert '"tracks"' in said.out
    assert ethopose_says("track", source.path, "--method", "simple", "--option", "8").code == 2
