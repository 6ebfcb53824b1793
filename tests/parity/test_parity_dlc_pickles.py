"""Animals put together as DeepLabCut 2 recorded them, from the peaks and costs that it recorded.

Equal are the assembly, and peaks. Not compared: what lines cost, which the TensorFlow engine reads between
other ends; and one frame of the mice, which the peer's 3.0.1 puts together as we do and not as recorded.
"""

import numpy as np
import pytest
import torch
import yaml

from ethopose.core import FormatError
from ethopose.formats.careful_pickle import unpickle
from ethopose.formats.dlc_peaks import Peaks, read_peaks
from ethopose.models.grouping import GROUPINGS, Arrays
from ethopose.models.grouping.instances import Context
from ethopose.models.heads import HEADS

# the graph that the mice were put together by; that of the birds is in their file
MICE = [(0, 1), (7, 8), (6, 7), (10, 11), (4, 5), (5, 6), (8, 9), (9, 10), (0, 3), (3, 4), (0, 2)]


def found(frame: Peaks, keypoints: int, edges: list[int]) -> Arrays:
    """Detections of a frame as a head would have told them."""
    counts = [len(each) for each in frame.confidence[:keypoints]]
    most = max(counts)
    xy = np.full((keypoints, most, 2), np.nan, np.float32)
    value = np.full((keypoints, most), -np.inf, np.float32)
    line = np.full((len(edges), most, most), np.nan, np.float32)
    for keypoint, count in enumerate(counts):
        xy[keypoint, :count], value[keypoint, :count] = frame.xy[keypoint], frame.confidence[keypoint]
    for place, edge in enumerate(edges):
        if edge in frame.score:
            rows, columns = frame.score[edge].shape
            line[place, :rows, :columns] = frame.score[edge]
    return {"xy": xy[None], "value": value[None], "line_score": line[None]}


def same(ours: np.ndarray, theirs: np.ndarray) -> bool:
    """Whether two animals have the same keypoints at the same places."""
    there = np.isfinite(ours)
    return np.array_equal(there, np.isfinite(theirs)) and bool(np.all(np.abs(ours - theirs)[there] < 0.3))


@pytest.mark.parametrize(
    ("name", "keypoints", "options", "odd"),
    [("montblanc", 4, {"min_line_score": 0.1}, []), ("trimouse", 12, {}, [35])],
    ids=["birds", "mice"],
)
def test_recorded_peaks_become_the_recorded_animals(shared_data, name, keypoints, options, odd):
    folder = shared_data / "dlc_pickles"
    metadata = unpickle((folder / f"{name}_full.pickle").read_bytes())["metadata"]
    recorded = unpickle((folder / f"{name}_assemblies.pickle").read_bytes())
    names, frames = read_peaks(folder / f"{name}_full.pickle")
    assert names == tuple(metadata["all_joints_names"])
    graph = [tuple(edge) for edge in metadata["PAFgraph"]]
    kept = [graph.index(edge) for edge in MICE] if name == "trimouse" else list(metadata["PAFinds"])
    edges = [graph[edge] for edge in kept]
    grouping = GROUPINGS.build("assembly", keypoints=keypoints, edges=edges, animals=3, **options)
    different = []
    for number, frame in frames.items():
        arrays = found(frame, keypoints, kept)
        made = grouping(arrays, Context(-1.0, None, np.zeros(1, np.int64))).xy
        wanted = [np.array(animal)[:, :2] for animal in recorded.get(number, [])]
        alike = all(any(same(animal, other) for other in wanted) for animal in made)
        if len(made) != len(wanted) or not alike:
            different.append(number)
    assert len(frames) == {"montblanc": 180, "trimouse": 50}[name]
    assert different == odd


def test_recorded_maps_have_the_recorded_peaks(shared_data):
    folder = shared_data / "dlc_pickles"
    maps, offsets, fields = (
        torch.from_numpy(np.moveaxis(each, -1, 1).copy())
        for each in unpickle((folder / "outputs.pickle").read_bytes())
    )
    (wanted,) = unpickle((folder / "dets.pickle").read_bytes())
    graph = yaml.safe_load((folder / "pose_cfg.yaml").read_text())["partaffinityfield_graph"]
    grown = [
        {"channels": [], "kernels": [], "strides": [], "last": [each.shape[1], 1]}
        for each in (maps, offsets, fields)
    ]
    head = HEADS.build(
        "staged_fields",
        {8: 1},
        keypoints=12,
        edges=graph,
        source=8,
        stages=0,
        maps=grown[0],
        offsets=grown[1],
        fields=grown[2],
        sigmoid=False,
        sigma=0.01,  # that engine does not smooth maps
        every=True,
    )
    with torch.inference_mode():
        told = head.decode({"maps": maps, "offsets": offsets, "fields": fields}, {})
    for keypoint, (place, sure) in enumerate(
        zip(wanted["coordinates"][0], wanted["confidence"], strict=True)
    ):
        there = np.isfinite(told["value"][0, keypoint].numpy())
        np.testing.assert_allclose(told["xy"][0, keypoint].numpy()[there], place, atol=1e-3)
        np.testing.assert_allclose(told["value"][0, keypoint].numpy()[there], sure.ravel(), atol=1e-5)


def test_files_without_detections_are_told(shared_data):
    path = next((shared_data / "dlc3/files/multi_plain_100_frames").glob("*_full.pickle"))
    with pytest.raises(FormatError, match="animals that are put together"):
        read_peaks(path)
    with pytest.raises(FormatError, match="no mapping with the key"):
        read_peaks(shared_data / "dlc_pickles/montblanc_tracklets.pickle")
