"""Record what sleap-nn answers to drawn crowds, lines, joins, windows and to two UNets, for tests/models.

Runs in an environment of the peer, which needs nothing of ethopose:

    pip install sleap-nn[torch]==0.3.5
    python tools/record_grouping.py

writes tests/models/golden/grouping.npz. The crowds are redrawn by tests/models/grouping_scenes.py; only
the answers are stored. Half a minute.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import torch
from omegaconf import OmegaConf
from sleap_nn.architectures.unet import UNet
from sleap_nn.inference.ops import paf
from sleap_nn.inference.ops.crops import crop_bboxes, make_centered_bboxes
from sleap_nn.inference.ops.peaks import find_local_peaks

FOLDER = Path(__file__).parents[1] / "tests/models"
sys.path.insert(0, str(FOLDER))
import grouping_scenes as scenes  # noqa: E402  it stands beside the tests

THRESHOLD = 0.2
UNET = {
    "in_channels": 1,
    "kernel_size": 3,
    "filters": 4,
    "filters_rate": 1.5,
    "max_stride": 16,
    "stem_stride": 2,
    "middle_block": True,
    "stacks": 1,
    "convs_per_block": 2,
    "output_stride": 2,
}


def main() -> None:
    torch.set_num_threads(1)
    recorded = {}
    for name, scene in scenes.SCENES.items():
        recorded |= {f"{name}/{key}": value for key, value in crowd(scene).items()}
    for seed in range(12):
        recorded |= {f"joins {seed}/{key}": value for key, value in joins(seed).items()}
    recorded |= {"line_score": lines(), **windows()}
    recorded["orders"] = np.array(json.dumps([order(seed) for seed in range(40)]))
    for up_interpolate in (True, False):
        config = UNET | {"up_interpolate": up_interpolate}
        recorded |= {f"unet {up_interpolate}/{key}": value for key, value in unet(config).items()}
    np.savez_compressed(FOLDER / "golden/grouping.npz", **recorded)


def crowd(scene: scenes.Scene) -> dict[str, np.ndarray]:
    """The peer's animals in a drawn crowd, in its order."""
    maps, fields = (torch.from_numpy(array)[None] for array in scenes.drawn(scene))
    xy, value, _, channel = find_local_peaks(maps, THRESHOLD, "integral", 5)
    names = [f"k{keypoint}" for keypoint in range(scenes.KEYPOINTS)]
    scorer = paf.PAFScorer(
        part_names=names,
        edges=[(names[source], names[destination]) for source, destination in scene.edges],
        pafs_stride=scenes.FIELD_STRIDE,
        min_line_scores=scene.min_line_score,
        min_instance_peaks=scene.min_peaks,
    )
    peaks = ((xy * scenes.MAP_STRIDE)[None], value[None], channel[None])
    instances, points, totals, *_ = scorer.predict(fields.permute(0, 2, 3, 1), *peaks)
    return {
        "sum": np.array([maps.double().sum(), fields.double().sum()]),
        "peaks": np.bincount(channel.numpy(), minlength=scenes.KEYPOINTS),
        "xy": instances[0].numpy(),
        "confidence": points[0].numpy(),
        "score": totals[0].numpy(),
    }


def lines() -> np.ndarray:
    """The score of every line (edge, source peak, destination peak)."""
    peaks, fields = (torch.from_numpy(array) for array in scenes.lines())
    count = peaks.shape[1]
    channel = torch.arange(scenes.KEYPOINTS, dtype=torch.int32).repeat_interleave(count)
    names = [f"k{keypoint}" for keypoint in range(scenes.KEYPOINTS)]
    edges = [(names[source], names[destination]) for source, destination in scenes.TREE]
    scorer = paf.PAFScorer(part_names=names, edges=edges, pafs_stride=scenes.FIELD_STRIDE)
    edge, ends, score = scorer.score_paf_lines(
        fields.permute(1, 2, 0)[None], peaks.reshape(1, -1, 2), channel[None]
    )
    table = np.full((len(edges), count, count), np.nan, np.float32)
    table[edge[0], ends[0][:, 0] % count, ends[0][:, 1] % count] = score[0]
    return table


def windows() -> dict[str, np.ndarray]:
    """What is cut around places, and the corners that the peer counts from."""
    images, places, image = (torch.from_numpy(array) for array in scenes.windows())
    recorded = {}
    for height, width in scenes.CROP_SIZES:
        boxes = make_centered_bboxes(places, height, width)
        cut = crop_bboxes(images[:, None], boxes, image)
        recorded[f"window {height} {width}"] = cut[:, 0].numpy()
        recorded[f"corner {height} {width}"] = boxes[:, 0].numpy()
    return recorded


def joins(seed: int) -> dict[str, np.ndarray]:
    """Random connections between the peaks of random edges, with circles, and who owns each peak then."""
    chance = np.random.RandomState(100 + seed)
    keypoints, peaks, count = 6, 5, 10
    pairs = [(s, d) for s in range(keypoints) for d in range(keypoints) if s != d]
    rows, connections = [], {}
    for pair in chance.permutation(len(pairs))[:count]:
        sources, destinations = chance.permutation(peaks), chance.permutation(peaks)
        lines = [
            (int(s), int(d), float(np.float32(chance.uniform())))
            for s, d in zip(sources, destinations, strict=True)
            if chance.uniform() < 0.5
        ]
        connections[paf.EdgeType(*pairs[pair])] = [paf.EdgeConnection(*line) for line in lines]
        rows += [(pairs[pair][0], s, pairs[pair][1], d, score) for s, d, score in lines]
    owners = paf.assign_connections_to_instances(connections, n_nodes=keypoints)
    animals = np.unique(list(owners.values()))
    members = np.full((len(animals), keypoints), -1)
    for peak, owner in owners.items():
        members[np.searchsorted(animals, owner), peak.node_ind] = peak.peak_ind
    return {"matches": np.array(rows), "peak": members}


def order(seed: int) -> dict[str, list]:
    """A random skeleton without circles, perhaps in pieces, and the order that its edges are taken in."""
    chance = np.random.RandomState(200 + seed)
    size = chance.randint(2, 9)
    place = chance.permutation(size)
    pairs = [(s, d) for s in range(size) for d in range(size) if place[s] < place[d]]
    kept = chance.permutation(len(pairs))[: chance.randint(1, 2 * size)]
    edges = [pairs[index] for index in kept]
    return {"edges": edges, "order": list(paf.toposort_edges([paf.EdgeType(*edge) for edge in edges]))}


def unet(config: dict) -> dict[str, np.ndarray]:
    """Weights in half precision, a picture, and what the peer's backbone makes of it in fp32."""
    torch.manual_seed(3)
    network = UNet.from_config(OmegaConf.create(config)).eval()
    network.load_state_dict(
        {name: 2 * weight.half().float() for name, weight in network.state_dict().items()}
    )
    picture = torch.randint(
        0, 256, (1, 1, 48, 80), dtype=torch.uint8
    )  # no multiple of 32, the deepest stride
    with torch.no_grad():
        found = network(picture / 255)
    outputs = {f"out {s}": o.numpy() for s, o in zip(found["strides"], found["outputs"], strict=True)}
    weights = {f"weight {name}": weight.half().numpy() for name, weight in network.state_dict().items()}
    return {"picture": picture.numpy(), "middle": found["middle_output"].numpy(), **outputs, **weights}


if __name__ == "__main__":
    main()
