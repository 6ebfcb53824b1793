"""Record what sleap-nn's evaluator says about random scenes, for tests/metrics.

Runs in an environment of the peer, which needs nothing of ethopose:

    pip install sleap-nn[torch]==0.3.5
    python tools/record_metrics.py

writes tests/metrics/golden/sleap.json. The scenes are redrawn by tests/metrics/metric_scenes.py; only the
answers are stored. Seconds.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import sleap_io
from sleap_nn.evaluation import Evaluator

FOLDER = Path(__file__).parents[1] / "tests/metrics"
sys.path.insert(0, str(FOLDER))
import metric_scenes  # noqa: E402  it stands beside the tests


def main() -> None:
    answers = {name: evaluated(metric_scenes.drawn(**case)) for name, case in metric_scenes.CASES.items()}
    (FOLDER / "golden").mkdir(exist_ok=True)
    (FOLDER / "golden/sleap.json").write_text(json.dumps(answers, indent=1) + "\n")


def evaluated(scenes: list[metric_scenes.Drawn]) -> dict[str, float]:
    """The peer's numbers under the peer's names; a sum tells that both draw the same scenes."""
    video = sleap_io.Video(filename="clip.mp4", open_backend=False)
    skeleton = sleap_io.Skeleton([f"k{keypoint}" for keypoint in range(scenes[0].truth.shape[1])])
    truth, found = [], []
    for frame, scene in enumerate(scenes):
        animals = [sleap_io.Instance.from_numpy(xy, skeleton=skeleton) for xy in scene.truth]
        truth.append(sleap_io.LabeledFrame(video=video, frame_idx=frame, instances=animals))
        guesses = [
            sleap_io.PredictedInstance.from_numpy(xy, skeleton=skeleton, point_scores=confidence, score=score)
            for xy, confidence, score in zip(scene.found, scene.confidence, scene.score, strict=True)
        ]
        found.append(sleap_io.LabeledFrame(video=video, frame_idx=frame, instances=guesses))
    labels = [sleap_io.Labels(frames, videos=[video], skeletons=[skeleton]) for frames in (truth, found)]
    told = Evaluator(*labels).evaluate()
    voc, distances, pck = (told[f"{name}_metrics"] for name in ("voc", "distance", "pck"))
    numbers = {name: voc[name] for name in ("oks_voc.mAP", "oks_voc.mAR", "pck_voc.mAP", "pck_voc.mAR")}
    numbers |= {name: distances[name] for name in ("avg", "p50", "p75", "p90", "p95", "p99")}
    numbers |= {name: pck[name] for name in ("mPCK", "PCK@5", "PCK@10")} | told["mOKS"]
    numbers |= {f"visibility_{name}": told["visibility_metrics"][name] for name in ("precision", "recall")}
    total = sum(np.nansum(scene.truth) + np.nansum(scene.found) for scene in scenes)
    return {name: round(float(value), 12) for name, value in (numbers | {"sum": total}).items()}


if __name__ == "__main__":
    main()
