"""SLEAP's files: read by sleap-io what we wrote, read by us what sleap-io reads."""

import json
import resource
from dataclasses import replace

import h5py
import numpy as np
import pytest
import sleap_io as sio

from ethopose.core import FormatError, Poses, ResultError, Skeleton
from ethopose.formats import FORMATS, slp

SLP = FORMATS["slp"]
SKELETON = Skeleton(
    ("nose", "left ear", "right ear", "tail"),
    ((0, 1), (0, 2), (0, 3)),
    ((1, 2), (0, 3)),
    individuals=("female", "male"),
    name="mouse",
)
FRAMES = np.arange(10, 31)


def poses_of(skeleton: Skeleton = SKELETON) -> Poses:
    """Two animals in every second frame; some keypoints below the threshold, with and without confidence."""
    rng = np.random.default_rng(3)
    frame = np.repeat(FRAMES[::2], 2)
    n = len(frame)
    xy = rng.uniform(-5, 600, (n, 4, 2)).astype(np.float32)
    confidence = rng.random((n, 4)).astype(np.float32)
    missing = rng.random((n, 4)) < 0.3
    xy[missing] = np.nan
    confidence[missing] = np.where(rng.random(missing.sum()) < 0.5, 0, np.nan)
    scores = rng.random((2, n)).astype(np.float32)
    track, individual = np.arange(n, dtype=np.int32) % 3 - 1, (np.arange(n) % 3 - 1).astype(np.int16)
    return Poses(skeleton, frame, xy, confidence, scores[0], track, individual, scores[1])


VIDEO = {"path": "/data/clip.mp4", "frames": 99, "height": 60, "width": 80, "channels": 1, "fps": 25.0}


@pytest.fixture
def written(make_result, tmp_path):
    result = make_result(
        poses_of(), FRAMES, video=VIDEO, tracks=("one", "two"), provenance={"timestamp_start": "noon"}
    )
    SLP.write(result, tmp_path / "clip.slp")
    return tmp_path / "clip.slp"


def load(path):
    return sio.load_slp(str(path), open_videos=False)


def test_sleap_io_reads_the_same_frames_points_and_scores(written):
    poses, labels = poses_of(), load(written)
    assert [frame.frame_idx for frame in labels] == FRAMES.tolist()
    instances = [instance for frame in labels for instance in frame.instances]
    frame = [frame.frame_idx for frame in labels for _ in frame.instances]
    assert frame == poses.frame.tolist()
    assert all(type(instance) is sio.PredictedInstance for instance in instances)
    np.testing.assert_array_equal([i.numpy() for i in instances], poses.xy)
    np.testing.assert_array_equal([i.points["score"] for i in instances], poses.confidence)
    np.testing.assert_array_equal([i.points["visible"] for i in instances], np.isfinite(poses.xy[..., 0]))
    np.testing.assert_array_equal(np.float32([i.score for i in instances]), poses.score)
    np.testing.assert_array_equal(np.float32([i.tracking_score for i in instances]), poses.identity_score)
    names = [None if i.track is None else i.track.name for i in instances]
    assert names == [(None, "one", "two")[track + 1] for track in poses.track]


def test_sleap_io_reads_the_same_skeleton(written):
    skeleton = load(written).skeleton
    assert tuple(skeleton.node_names) == SKELETON.keypoints
    assert tuple(map(tuple, skeleton.edge_inds)) == SKELETON.edges
    assert {frozenset(pair) for pair in skeleton.symmetry_inds} == {frozenset(p) for p in SKELETON.symmetries}
    assert skeleton.name == "mouse"


def test_symmetries_without_edges_stay_symmetries(make_result, tmp_path):
    skeleton = replace(SKELETON, edges=())
    SLP.write(make_result(poses_of(skeleton)), tmp_path / "clip.slp")
    assert load(tmp_path / "clip.slp").skeleton.edges == []
    assert len(load(tmp_path / "clip.slp").skeleton.symmetries) == 2
    assert SLP.read(tmp_path / "clip.slp").poses.skeleton.symmetries == SKELETON.symmetries
    with h5py.File(tmp_path / "clip.slp") as file:
        links = json.loads(file["metadata"].attrs["json"])["skeletons"][0]["links"]
    assert links[1]["type"] == {
        "py/id": 1
    }  # the first kind spelled, for readers that count as jsonpickle does


def test_sleap_io_reads_video_and_provenance(written):
    labels = load(written)
    assert labels.video.filename == "/data/clip.mp4"
    assert tuple(labels.video.shape) == (99, 60, 80, 1)
    assert labels.video.grayscale
    assert labels.video.backend_metadata["fps"] == 25
    provenance = labels.provenance
    assert provenance["inference_start_timestamp"] == provenance["timestamp_start"] == "noon"
    assert provenance["model_paths"] == ["models/mice"]
    assert provenance["frame_selection"] == {"frames_processed": len(FRAMES)}


def test_a_video_of_unknown_shape_is_no_obstacle(make_result, tmp_path):
    SLP.write(make_result(poses_of(), video={"path": "clip.mp4"}), tmp_path / "clip.slp")
    assert load(tmp_path / "clip.slp").video.shape is None


def test_individuals_become_tracks_of_their_names(make_result, tmp_path):
    poses = replace(poses_of(), track=np.full(len(poses_of()), -1, np.int32))
    SLP.write(make_result(poses, FRAMES), tmp_path / "clip.slp")
    labels = load(tmp_path / "clip.slp")
    assert [track.name for track in labels.tracks] == ["female", "male"]
    names = [None if i.track is None else i.track.name for frame in labels for i in frame.instances]
    assert names == [(None, "female", "male")[individual + 1] for individual in poses.individual]


def test_tracks_without_names_get_numbers(make_result, tmp_path):
    poses = poses_of(replace(SKELETON, individuals=()))
    SLP.write(make_result(poses, FRAMES), tmp_path / "clip.slp")
    assert SLP.read(tmp_path / "clip.slp").tracks == ("track_0", "track_1")


def test_points_are_moved_to_the_centre_of_the_first_pixel(make_result, tmp_path):
    SLP.write(make_result(poses_of(), FRAMES, pixel_origin=0.5), tmp_path / "clip.slp")
    np.testing.assert_allclose(SLP.read(tmp_path / "clip.slp").poses.xy, poses_of().xy - 0.5, atol=1e-4)


def test_a_long_provenance_is_kept_out_of_the_attribute(make_result, tmp_path):
    SLP.write(make_result(poses_of(), provenance={"command": "x" * 70_000}), tmp_path / "clip.slp")
    assert len(load(tmp_path / "clip.slp").provenance["command"]) == 70_000


def test_a_skeleton_that_cannot_be_held_is_refused(make_result, tmp_path):
    skeleton = Skeleton(tuple(f"keypoint number {number}" for number in range(1500)))
    row = np.zeros((1, 1500), np.float32)
    poses = Poses(skeleton, np.array([0]), np.zeros((1, 1500, 2), np.float32), row, row[:, 0])
    with pytest.raises(ResultError, match="skeleton is too large"):
        SLP.write(make_result(poses), tmp_path / "clip.slp")
    assert list(tmp_path.iterdir()) == []


def test_a_disk_that_fills_up_is_said(make_result, tmp_path):
    result = make_result(poses_of(), FRAMES)
    SLP.write(result, tmp_path / "clip.slp")
    size = (tmp_path / "clip.slp").stat().st_size
    (tmp_path / "clip.slp").unlink()
    old = resource.getrlimit(resource.RLIMIT_FSIZE)
    for full in [0, 1, *range(500, size, 2000), size - 1]:
        resource.setrlimit(resource.RLIMIT_FSIZE, (full, old[1]))
        try:
            with pytest.raises(ResultError, match="cannot be written"):
                SLP.write(result, tmp_path / "clip.slp")
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, old)
        assert list(tmp_path.iterdir()) == []


def test_the_peers_own_files_are_written_again_field_by_field(shared_data, make_result, tmp_path):
    for name in ("mc_bottomup_pair", "topdown_pair_tracked_flow"):
        theirs = shared_data / "sleap_nn" / "recorded" / f"{name}.slp"
        file = SLP.read(theirs)
        SLP.write(make_result(file.poses, file.frames, tracks=file.tracks), tmp_path / f"{name}.slp")
        with h5py.File(theirs) as old, h5py.File(tmp_path / f"{name}.slp") as new:
            assert set(old) == set(new)
            for table in ("frames", "instances", "points", "pred_points", "tracks_json"):
                assert old[table].dtype == new[table].dtype
                for field in old[table].dtype.names or [...]:  # NaN equals NaN only field by field
                    np.testing.assert_array_equal(old[table][field], new[table][field])
            for table in ("videos_json", "suggestions_json", "sessions_json"):
                assert old[table].dtype == new[table].dtype
            assert old["metadata"].attrs["format_id"] == new["metadata"].attrs["format_id"]
            old_json, new_json = (json.loads(f["metadata"].attrs["json"]) for f in (old, new))
            assert list(old_json) == list(new_json)
            assert [old_json[key] for key in ("skeletons", "nodes")] == [
                new_json[k] for k in ("skeletons", "nodes")
            ]
            old_video, new_video = (json.loads(f["videos_json"][0]) for f in (old, new))
            assert list(old_video["backend"]) == list(new_video["backend"])


def test_every_recorded_file_is_read_as_sleap_io_reads_it(shared_data):
    paths = sorted(shared_data.rglob("*.slp"))
    assert len(paths) > 20
    for path in paths:
        ours, theirs = SLP.read(path), load(path)
        labelled = sorted(theirs, key=lambda frame: frame.frame_idx)
        instances = [instance for frame in labelled for instance in frame.instances]
        predicted = np.array([type(i) is sio.PredictedInstance for i in instances])
        poses = ours.poses
        assert len(poses) == len(instances) > 0, path
        assert ours.frames.tolist() == [frame.frame_idx for frame in labelled], path
        assert poses.frame.tolist() == [frame.frame_idx for frame in labelled for _ in frame.instances]
        np.testing.assert_array_equal(poses.xy, np.float32([i.numpy() for i in instances]), err_msg=str(path))
        names = [None if i.track is None else i.track.name for i in instances]
        assert names == [None if track < 0 else ours.tracks[track] for track in poses.track], path
        scores = np.float32([i.score if p else 1 for i, p in zip(instances, predicted, strict=True)])
        np.testing.assert_array_equal(poses.score, scores)
        if predicted.any():
            confidence = [i.points["score"] for i, p in zip(instances, predicted, strict=True) if p]
            np.testing.assert_array_equal(poses.confidence[predicted], np.float32(confidence))
        told = ~np.isnan(poses.identity_score)
        tracking = np.float32([np.nan if i.tracking_score is None else i.tracking_score for i in instances])
        np.testing.assert_array_equal(poses.identity_score[told], tracking[told])
        skeleton = theirs.skeleton
        assert poses.skeleton.keypoints == tuple(skeleton.node_names), path
        assert poses.skeleton.edges == tuple(map(tuple, skeleton.edge_inds)), path
        assert poses.skeleton.symmetries == tuple(map(tuple, skeleton.symmetry_inds)), path


def edit(path, name, change):
    """Put a changed copy of a dataset in its place."""
    with h5py.File(path, "a") as file:
        values = file[name][:]
        del file[name]
        file.create_dataset(name, data=change(values))


def with_field(field, value, row=0):
    def change(table):
        table[field][row] = value
        return table

    return change


def test_files_before_1_1_count_from_the_corner_of_the_pixel(written):
    with h5py.File(written, "a") as file:
        file["metadata"].attrs["format_id"] = 1.0
    np.testing.assert_array_equal(
        SLP.read(written).poses.xy, (poses_of().xy.astype(float) - 0.5).astype(np.float32)
    )


def test_files_before_1_2_tell_no_tracking_score(written):
    def drop(table):
        return table[[name for name in table.dtype.names if name != "tracking_score"]].copy()

    edit(written, "instances", drop)
    assert np.isnan(SLP.read(written).poses.identity_score).all()


def test_a_prediction_that_a_person_corrected_is_one_animal(written):
    def correct(table):
        table["instance_type"][1], table["from_predicted"][1] = 0, 0
        table["point_id_start"][1], table["point_id_end"][1] = 0, 4
        return table

    with h5py.File(written) as file:
        points = file["pred_points"][4:8][["x", "y", "visible", "complete"]]
    edit(written, "instances", correct)
    edit(written, "points", lambda _: points)
    poses = SLP.read(written).poses
    assert len(poses) == len(poses_of()) - 1
    assert poses.score[0] == 1
    np.testing.assert_array_equal(poses.xy[0], poses_of().xy[1])
    np.testing.assert_array_equal(poses.confidence[0], np.where(np.isnan(poses.xy[0, :, 0]), np.nan, 1))


def test_an_invisible_point_is_not_found(written):
    edit(written, "pred_points", with_field("visible", False, slice(0, 3)))
    poses = SLP.read(written).poses
    assert np.isnan(poses.xy[0, :3]).all()
    np.testing.assert_array_equal(poses.confidence, poses_of().confidence)


def test_one_video_of_several_is_asked_for(written):
    edit(written, "frames", with_field("video", 1))
    with pytest.raises(FormatError, match="2 videos"):
        SLP.read(written)
    assert slp.read(written, video=0).frames.tolist() == FRAMES[1:].tolist()
    assert slp.read(written, video=1).poses.frame.tolist() == [10, 10]


LIES = {
    "instances beyond the file": ("frames", with_field("instance_id_end", 10**18)),
    "instances shared": ("frames", with_field("instance_id_start", 0, slice(None))),
    "frames that end before they start": ("frames", with_field("instance_id_start", 5)),
    "a frame beyond counting": ("frames", with_field("frame_idx", 2**64 - 1)),
    "points beyond the file": ("instances", with_field("point_id_end", 2**64 - 1)),
    "points of two animals": ("instances", with_field("point_id_end", 8)),
    "a point range beyond the file": ("instances", with_field("point_id_start", 2**64 - 2)),
    "a track that is not there": ("instances", with_field("track", 7)),
    "a skeleton that is not there": ("instances", with_field("skeleton", 9, slice(None))),
    "two skeletons": ("instances", with_field("skeleton", 1)),
    "a missing field": ("instances", lambda table: table[["instance_id"]].copy()),
    "words for numbers": (
        "pred_points",
        lambda t: t.astype([(n, "S3" if n == "x" else t.dtype[n]) for n in t.dtype.names]),
    ),
    "fractions for numbers": ("frames", lambda t: t.astype([(n, "f8") for n in t.dtype.names])),
    "a table for a list": ("frames", lambda table: table.reshape(3, -1)),
    "tracks without names": ("tracks_json", lambda _: np.array([b"[]", b"{}"])),
}


@pytest.mark.parametrize("lie", LIES)
def test_a_file_that_lies_is_refused(written, lie):
    edit(written, *LIES[lie])
    with pytest.raises(FormatError, match=r"clip\.slp"):
        SLP.read(written)


def test_a_size_that_is_not_there_is_refused_before_it_is_allocated(written):
    with h5py.File(written, "a") as file:
        dtype = file["pred_points"].dtype
        del file["pred_points"]
        file.create_dataset("pred_points", (2**45,), dtype, chunks=(1024,), compression="gzip")
    with pytest.raises(FormatError, match="bytes that are not there"):
        SLP.read(written)


def test_a_file_does_not_reach_into_other_files(written, tmp_path):
    other = tmp_path / "other.h5"
    with h5py.File(written, "a") as file, h5py.File(other, "w") as target:
        file.copy("frames", target)
        del file["frames"]
        file["frames"] = h5py.ExternalLink(str(other), "frames")
    with pytest.raises(FormatError, match="not a dataset of this file"):
        SLP.read(written)


@pytest.mark.parametrize("text", ["", "[]", "{}", "[" * 10**4, '{"skeletons": [{}], "nodes": []}'])
def test_metadata_that_makes_no_sense_is_refused(written, text):
    with h5py.File(written, "a") as file:
        file["metadata"].attrs["json"] = text
    with pytest.raises(FormatError, match=r"clip\.slp"):
        SLP.read(written)


def test_a_newer_layout_is_refused_by_number(written):
    with h5py.File(written, "a") as file:
        file["metadata"].attrs["format_id"] = 3.1
    with pytest.raises(FormatError, match=r"format 3\.1; formats 1\.0 to 2\.x"):
        SLP.read(written)
