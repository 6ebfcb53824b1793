"""--detections: what animals are made of is kept, as DeepLabCut writes it, and makes the same animals."""

import cv2
import numpy as np
import pytest

import ethopose
from ethopose.core import UsageError
from ethopose.families import load
from ethopose.formats.careful_pickle import unpickle
from ethopose.formats.dlc_peaks import read_peaks
from ethopose.models.grouping import GROUPINGS
from ethopose.models.grouping.instances import Context

NAME = "dlcrnet_stride16_unique_identity"


@pytest.fixture(scope="module")
def predicted(net, tmp_path_factory, shared_data):
    """A picture twice, predicted with and without its detections."""
    folder = tmp_path_factory.mktemp("detections")
    (folder / "clip").mkdir()
    recorded = net(NAME)
    for number in range(2):
        cv2.imwrite(str(folder / f"clip/{number}.png"), recorded.image(0)[..., ::-1])
    options = {"device": "cpu", "format": ("dlc-full", "dlc-assemblies"), "runtime": "torch"}
    return recorded, {
        kept: ethopose.predict(
            folder / "clip",
            recorded.folder,
            out=folder / kept / "x.ethopose",
            detections=kept == "kept",
            **options,
        )
        for kept in ("kept", "plain")
    }


def pickled(result, ending):
    (path,) = result.path.parent.glob(f"*{ending}.pickle")
    return path, unpickle(path.read_bytes())


def arrays(frame, edges):
    """Detections of a frame as a grouping reads them."""
    counts = [len(each) for each in frame.confidence]
    most = max(counts)
    xy = np.full((len(counts), most, 2), np.nan, np.float32)
    value = np.full((len(counts), most), -np.inf, np.float32)
    line = np.full((len(edges), most, most), np.nan, np.float32)
    for keypoint, count in enumerate(counts):
        xy[keypoint, :count], value[keypoint, :count] = frame.xy[keypoint], frame.confidence[keypoint]
    for number, score in frame.score.items():
        line[number, : score.shape[0], : score.shape[1]] = score
    return {"xy": xy[None], "value": value[None], "line_score": line[None]}


@pytest.mark.slow
def test_poses_are_the_same_whether_or_not_detections_are_kept(predicted):
    _, results = predicted
    kept, plain = results["kept"], results["plain"]
    np.testing.assert_array_equal(kept.xy, plain.xy)
    np.testing.assert_array_equal(kept.confidence, plain.confidence)
    assert kept.manifest.part_frames == 64, "memory is bounded"
    assert not any(name.endswith(".score") for name in plain.manifest.lists)


@pytest.mark.slow
def test_the_file_of_detections_makes_the_same_animals_again(predicted):
    recorded, results = predicted
    spec = load(recorded.folder).spec
    path, data = pickled(results["kept"], "_full")
    names, frames = read_peaks(path)
    assert names == spec.skeleton.keypoints
    assert sorted(frames) == [0, 1]
    options = spec.stages[0].grouping.options["animals"]["options"]
    assert [tuple(data["metadata"]["PAFgraph"][n]) for n in data["metadata"]["PAFinds"]] == [
        tuple(edge) for edge in options["edges"]
    ]
    n_animals = len(names) - len(spec.skeleton.unique)
    frame = frames[0]
    found = arrays(
        type(frame)(frame.xy[:n_animals], frame.confidence[:n_animals], frame.score, frame.length),
        options["edges"],
    )
    made = GROUPINGS.build("assembly", **options)(found, Context(-1.0, None, np.zeros(1, np.int64)))
    result = results["plain"]
    theirs = result.xy[(result.frame == 0) & np.isfinite(result.xy[:, :n_animals]).any((1, 2))][:, :n_animals]
    assert len(made.xy) == len(theirs)
    for animal in made.xy:
        assert min(np.nanmax(np.abs(animal - other)) for other in theirs) < 1e-4


@pytest.mark.slow
def test_individuals_that_keypoints_look_like_are_those_the_peer_recorded(predicted):
    recorded, results = predicted
    _, data = pickled(results["plain"], "_full")
    frame = data["frame0"]
    wanted = recorded.outputs["img0/final/identity_scores"]
    poses = recorded.outputs["img0/final/bodyparts"][..., :2]
    ours = np.stack(frame["identity"][: poses.shape[1]], 1)
    np.testing.assert_allclose(np.stack(frame["coordinates"][0][: poses.shape[1]], 1), poses, atol=1e-2)
    np.testing.assert_allclose(ours, wanted, atol=1e-4)
    _, animals = pickled(results["plain"], "_assemblies")
    np.testing.assert_array_equal(animals[0][..., 3], wanted.argmax(-1))


@pytest.mark.slow
def test_a_model_that_links_nothing_has_no_detections(net, tmp_path, shared_data):
    recorded = net("single_cspnext_s")
    cv2.imwrite(str(tmp_path / "0.png"), recorded.image(0)[..., ::-1])
    with pytest.raises(UsageError, match="puts no animals together from peaks"):
        ethopose.predict(tmp_path, recorded.folder, out=tmp_path / "x", detections=True)
    assert not (tmp_path / "x").exists()
