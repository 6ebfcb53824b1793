"""The options of sleap-nn's SORT family, under its names, with the presets of each tracker."""

from __future__ import annotations

from dataclasses import dataclass, fields

from ethopose.core.errors import UsageError

TRACKERS = ("sort", "bytetrack", "ocsort")
BY_APPEARANCE = ("deepsort", "strongsort", "botsort", "deepocsort")
PRESETS = ("animal", "paper")
CHOICES = {
    "tracker": TRACKERS,
    "similarity": ("auto", "iou", "oks", "centroid"),
    "score_mode": ("auto", "instance", "none"),
    "kalman": ("xysr", "xywh", "xyah"),
    "time_base": ("auto", "frames", "steps"),
}
SIMILARITY = {"oks": "oks", "iou": "iou", "euclidean_dist": "centroid"}  # of the options' scoring_method
LEAST = {"track_buffer": 0, "min_hits": 1, "delta_t": 1, "max_tracks": 1, "link_spatial_gate_frames": 0}
POSITIVE = ("oks_stddev", "body_size")
SHARES = (
    "track_high_threshold",
    "track_low_threshold",
    "new_track_threshold",
    "min_match_similarity",
    "low_stage_min_similarity",
    "unconfirmed_min_similarity",
    "duplicate_similarity",
)
READ_BY = {  # where not by all
    "low_stage_min_similarity": ("bytetrack",),
    "unconfirmed_min_similarity": ("bytetrack",),
    "duplicate_similarity": ("bytetrack",),
    "fuse_score": ("bytetrack",),
    "delta_t": ("ocsort",),
    "inertia": ("ocsort",),
    "use_byte": ("ocsort",),
}
PAPER: dict[str, dict[str, object]] = {
    "sort": {
        "kalman": "xysr",
        "track_buffer": 1,
        "track_high_threshold": 0.0,
        "track_low_threshold": 0.0,
        "new_track_threshold": 0.0,
    },
    "bytetrack": {"kalman": "xyah", "min_hits": 2, "min_match_similarity": 0.2, "fuse_score": True},
    "ocsort": {"kalman": "xysr", "track_high_threshold": 0.6},
}
ANIMAL: dict[str, dict[str, object]] = {
    "sort": {
        "track_buffer": 30,
        "track_high_threshold": 0.1,
        "track_low_threshold": 0.1,
        "new_track_threshold": 0.1,
    },
    "bytetrack": {"kalman": "xywh"},
    "ocsort": {},
}


@dataclass(frozen=True, slots=True)
class MotOptions:
    """How `sleap-nn predict --tracker` tracks; `mot_options` fills in a tracker's preset."""

    tracker: str
    similarity: str = "auto"  # iou; centroid for skeletons of one keypoint
    body_size: float | None = None  # px; None: measured
    oks_stddev: float = 0.1
    box_padding: float = 0.1  # of a box's longer side, on each side
    score_mode: str = "auto"  # the mean confidence of what was found
    normalize_scores: bool = True
    kalman: str = "xysr"
    time_base: str = "auto"
    track_buffer: int = 30  # steps that a track outlives its last instance
    min_hits: int = 3
    track_high_threshold: float = 0.5
    track_low_threshold: float = 0.1
    new_track_threshold: float = 0.6
    min_match_similarity: float = 0.3
    low_stage_min_similarity: float = 0.5
    unconfirmed_min_similarity: float = 0.3
    duplicate_similarity: float = 0.85
    fuse_score: bool = False
    delta_t: int = 3  # steps
    inertia: float = 0.2
    use_byte: bool = False
    link_tracklets: bool = False
    max_tracks: int | None = None
    link_spatial_gate_frames: int = 300  # steps

    @property
    def links(self) -> bool:
        """Whether tracks are linked when the video has ended."""
        return self.link_tracklets or self.max_tracks is not None

    def __post_init__(self) -> None:
        for name, choices in CHOICES.items():
            if getattr(self, name) not in choices:
                raise UsageError(f"{name}: there is no {getattr(self, name)!r}", fix=_one_of(choices))
        for name, least in LEAST.items():
            if (value := getattr(self, name)) is not None and value < least:
                raise UsageError(f"{name} is {value}", fix=f"{least} or more")
        for name in POSITIVE:
            if (value := getattr(self, name)) is not None and not 0 < value < float("inf"):
                raise UsageError(f"{name} is {value}", fix="a number above 0")
        for name in SHARES:
            if not 0 <= (value := getattr(self, name)) <= 1:
                raise UsageError(f"{name} is {value}", fix="a number from 0 to 1")
        if self.track_low_threshold > self.track_high_threshold:
            low, high = self.track_low_threshold, self.track_high_threshold
            raise UsageError(f"track_low_threshold {low} is above track_high_threshold {high}")


def mot_options(tracker: str, *, preset: str = "animal", **given: object) -> MotOptions:
    """The options of a tracker: its preset, and what is given (None: the preset's).

    `scoring_method` may be given in the place of `similarity`. Raises `UsageError` for trackers that are not
    here and options that the tracker does not read.
    """
    if tracker in BY_APPEARANCE:
        raise UsageError(f"{tracker} tracks by appearance and is not here", fix=_one_of(TRACKERS))
    if tracker not in TRACKERS:
        raise UsageError(f"there is no tracker {tracker!r}", fix=_one_of(TRACKERS))
    if preset not in PRESETS:
        raise UsageError(f"preset: there is no {preset!r}", fix=_one_of(PRESETS))
    values = PAPER[tracker] | (ANIMAL[tracker] if preset == "animal" else {"normalize_scores": False})
    given = {name: value for name, value in given.items() if value is not None}
    if (scoring := given.pop("scoring_method", None)) is not None:
        if scoring not in SIMILARITY:
            raise UsageError(f"{tracker} has no scoring_method {scoring}", fix=_one_of(tuple(SIMILARITY)))
        given["similarity"] = SIMILARITY[str(scoring)]
    known = {field.name for field in fields(MotOptions)} - {"tracker"}
    for name in given:
        if name not in known or tracker not in READ_BY.get(name, TRACKERS):
            read = sorted(one for one in known if tracker in READ_BY.get(one, TRACKERS))
            raise UsageError(f"{tracker} has no option {name}", fix=_one_of(tuple(read)))
    options = MotOptions(tracker, **(values | given))  # type: ignore[arg-type]  # checked by the options
    if "oks_stddev" in given and options.similarity != "oks":
        raise UsageError("oks_stddev does nothing without scoring_method=oks", fix="leave it out")
    return options


def _one_of(names: tuple[str, ...]) -> str:
    return f"choose from {', '.join(names)}"
