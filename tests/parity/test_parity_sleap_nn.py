"""Our poses against those that sleap-nn 0.3.5 recorded, on the same models and videos."""

from dataclasses import dataclass

import numpy as np
import pytest
from recordings import Tally, sleap_nn_recordings

import ethopose


@dataclass(frozen=True)
class Demand:
    """What a runtime must reach."""

    runtime: str
    distance: float  # px
    share: float  # of the keypoints
    confidence: float


DEMANDS = (Demand("torch", 0.01, 0.999, 1e-3), Demand("openvino", 0.05, 0.995, 1e-2))


@pytest.mark.slow
@pytest.mark.parametrize("demand", DEMANDS, ids=lambda demand: demand.runtime)
def test_predictions_are_those_of_sleap_nn(demand, shared_data, tmp_path):
    recordings = sleap_nn_recordings(shared_data / "sleap_nn")
    kinds = {"+".join(model.name for model in recording.models) for recording in recordings}
    assert len(kinds) >= 6  # single, centroid, bottom-up, top-down, and both multi-class kinds
    tally = Tally()
    for recording in recordings:
        result = ethopose.predict(
            recording.video,
            recording.model(),
            out=tmp_path / f"{recording.name}.ethopose",
            frames=f"{recording.frames[0]}-{recording.frames[-1]}",
            max_instances=recording.limit,
            format="none",
            device="cpu",
            runtime=demand.runtime,
        )
        tally.add(recording, result.poses)
    print(f"{demand.runtime}: {tally.frames} frames; at a threshold: {tally.doubtful}; {tally.other_number}")
    assert tally.frames >= 800
    assert len(tally.doubtful) <= 0.02 * tally.frames
    assert len(tally.other_number) <= 0.01 * tally.frames
    assert tally.one_sided <= (1 - demand.share) * len(tally.distance)
    assert tally.other_individual <= 0.01 * len(tally.score)
    assert tally.within("distance", demand.distance) >= demand.share
    assert tally.within("confidence", demand.confidence) >= demand.share
    assert tally.within("score", demand.confidence) >= demand.share


@pytest.mark.slow
def test_low_precision_stays_near_sleap_nn(shared_data, tmp_path):
    recordings = [r for r in sleap_nn_recordings(shared_data / "sleap_nn") if r.name == "topdown_pair"]
    tally = Tally()
    for recording in recordings:
        result = ethopose.predict(
            recording.video,
            recording.model(),
            out=tmp_path / "low.ethopose",
            frames=f"{recording.frames[0]}-{recording.frames[-1]}",
            format="none",
            device="cpu",
            precision="auto",
        )
        tally.add(recording, result.poses)
    assert len(tally.other_number) <= 0.05 * tally.frames
    assert np.median(tally.distance) <= 0.05  # bf16 keeps 8 bits: a peak's centre of mass moves a little
    assert tally.within("distance", 0.5) >= 0.9
