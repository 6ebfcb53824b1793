"""Record what TrackEval and py-motmetrics say about tracks, for tests/metrics.

Runs in an environment of the peers, which needs nothing of ethopose:

    pip install motmetrics==1.4.0 trackeval==1.3.0
    python tools/record_identity_metrics.py [../shared/data/tracking]

writes tests/metrics/golden/identity.json. The random videos are redrawn by tests/metrics/identity_scenes.py;
only the answers are stored. With the folder of the simulated scenarios, their tracks `bound` and `slots` are
measured as well; without it, what was recorded of them is kept. Minutes.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import motmetrics
import numpy as np
from trackeval.metrics import CLEAR, HOTA, Identity

FOLDER = Path(__file__).parents[1] / "tests/metrics"
GOLDEN = FOLDER / "golden/identity.json"
sys.path.insert(0, str(FOLDER))
import identity_scenes  # noqa: E402  it stands beside the tests

THRESHOLD = 0.5
COUNTS = {
    "switches": "num_switches",
    "fragmentations": "num_fragmentations",
    "misses": "num_misses",
    "false_positives": "num_false_positives",
    "mostly_tracked": "mostly_tracked",
    "mostly_lost": "mostly_lost",
}
RATIOS = ("mota", "motp", "idf1", "idp", "idr")


def main() -> None:
    answers = json.loads(GOLDEN.read_text()) if GOLDEN.exists() else {"scenarios": {}}
    answers["random"] = {name: measured(video) for name, video in identity_scenes.videos()}
    if sys.argv[1:]:
        answers["scenarios"] = {name: measured(video) for name, video in scenarios(Path(sys.argv[1]))}
    GOLDEN.write_text(as_text(answers))


def as_text(answers: dict[str, dict[str, dict[str, object]]]) -> str:
    """A line a video."""
    groups = []
    for group, videos in sorted(answers.items()):
        lines = [f"  {json.dumps(name)}: {json.dumps(told)}" for name, told in videos.items()]
        groups.append(f" {json.dumps(group)}: {{\n" + ",\n".join(lines) + "\n }")
    return "{\n" + ",\n".join(groups) + "\n}\n"


def scenarios(folder: Path) -> Iterator[tuple[str, list[identity_scenes.Frame]]]:
    """The tracks of the folder's own yardsticks, paired with the truth by its scorer."""
    sys.path.insert(0, str(folder))
    import baseline
    import score
    import simulate

    for name, settings in simulate.SCENARIOS.items():
        if name == "long":
            continue
        world = simulate.simulate(**settings)
        exact = {**world, "gt_xy": world["gt_xy"].astype(np.float64)}
        for method in ("bound", "slots"):
            tracks = getattr(baseline, method)(world)
            tracks["xy"] = tracks["xy"].astype(np.float64)
            frames = []
            for animals, ids, distance in score.pairs(exact, tracks):
                order = np.argsort(ids)
                frames.append(
                    identity_scenes.Frame(animals, ids[order], np.clip(1 - distance[:, order], 0, 1))
                )
            yield f"{name}.{method}", frames


def measured(frames: list[identity_scenes.Frame]) -> dict[str, object]:
    """The peers' numbers under our names; a sum tells that both draw the same videos."""
    told: dict[str, object] = {"sum": round(float(sum(frame.similarity.sum() for frame in frames)), 9)}
    return told | {"motmetrics": of_motmetrics(frames), "trackeval": of_trackeval(frames)}


def of_motmetrics(frames: list[identity_scenes.Frame]) -> dict[str, float | None]:
    events = motmetrics.MOTAccumulator(auto_id=True)
    for frame in frames:
        near = frame.similarity >= THRESHOLD
        events.update(frame.animals, frame.tracks, np.where(near, 1 - frame.similarity, np.nan))
    names = [*RATIOS, *COUNTS.values()]
    row = motmetrics.metrics.create().compute(events, metrics=names, name="video").loc["video"]
    return {name: rounded(row[name]) for name in RATIOS} | {
        name: int(row[theirs]) for name, theirs in COUNTS.items()
    }


def of_trackeval(frames: list[identity_scenes.Frame]) -> dict[str, object]:
    animals, animal = numbered([frame.animals for frame in frames])
    tracks, track = numbered([frame.tracks for frame in frames])
    data = {
        "num_timesteps": len(frames),
        "num_gt_ids": animals,
        "num_tracker_ids": tracks,
        "num_gt_dets": sum(map(len, animal)),
        "num_tracker_dets": sum(map(len, track)),
        "gt_ids": animal,
        "tracker_ids": track,
        "similarity_scores": [frame.similarity for frame in frames],
    }
    hota = HOTA().eval_sequence(data)
    identity = Identity({"THRESHOLD": THRESHOLD, "PRINT_CONFIG": False}).eval_sequence(data)
    clear = CLEAR({"THRESHOLD": THRESHOLD, "PRINT_CONFIG": False}).eval_sequence(data)
    curves = {
        name.lower(): [rounded(value) for value in hota[name]] for name in ("HOTA", "DetA", "AssA", "LocA")
    }
    numbers = {name.lower(): rounded(identity[name]) for name in ("IDF1", "IDP", "IDR")}
    return curves | numbers | {"mota": rounded(clear["MOTA"]), "switches": int(clear["IDSW"])}


def numbered(ids: list[np.ndarray]) -> tuple[int, list[np.ndarray]]:
    """How many there are, and each frame's as numbers from 0."""
    known = np.unique(np.concatenate(ids))
    return len(known), [np.searchsorted(known, some) for some in ids]


def rounded(value: float) -> float | None:
    """JSON has no NaN."""
    return None if np.isnan(value) else round(float(value), 12)


if __name__ == "__main__":
    main()
