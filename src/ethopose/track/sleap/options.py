"""The options of sleap-nn's classic tracker, under its names and with its defaults."""

from __future__ import annotations

from dataclasses import dataclass, fields

from ethopose.core.errors import UsageError

CHOICES = {
    "candidates_method": ("fixed_window", "local_queues"),
    "features": ("keypoints", "centroids", "bboxes"),
    "scoring_method": ("oks", "iou", "cosine_sim", "euclidean_dist"),
    "scoring_reduction": ("mean", "max", "robust_quantile"),
    "track_matching_method": ("hungarian", "greedy"),
    "kf_track_features": ("centroid", "keypoints"),
}
LEAST = {
    "tracking_window_size": 1,
    "min_new_track_points": 0,
    "min_match_points": 0,
    "max_tracks": 1,
    "tracking_target_instance_count": 1,
    "tracking_pre_cull_to_target": 0,
    "tracking_clean_instance_count": 0,
    "of_window_size": 3,
    "of_max_levels": 0,
    "kf_init_frame_count": 1,
    "kf_reset_gap_size": 0,
}
NEEDS = {  # what has no effect without what
    "robust_best_instance": "scoring_reduction",
    "oks_stddev": "scoring_method",
    "tracking_pre_cull_to_target": "tracking_target_instance_count",
    "tracking_pre_cull_iou_threshold": "tracking_pre_cull_to_target",
    "tracking_clean_iou_threshold": "tracking_clean_instance_count",
    "post_connect_single_breaks": "tracking_target_instance_count",
    "of_img_scale": "use_flow",
    "of_window_size": "use_flow",
    "of_max_levels": "use_flow",
    "kf_track_features": "use_kalman",
    "kf_init_frame_count": "use_kalman",
    "kf_node_indices": "use_kalman",
    "kf_reset_gap_size": "use_kalman",
}
VALUES = {"scoring_reduction": "robust_quantile", "scoring_method": "oks"}  # where a certain value is needed
SHARES = ("robust_best_instance", "tracking_pre_cull_iou_threshold", "tracking_clean_iou_threshold")
SHAPES = {"oks": "keypoints", "iou": "bboxes"}  # the only features that a score is defined for
STDDEV, STDDEV_OF_PREDICTED_KEYPOINTS = 0.025, 0.1


@dataclass(frozen=True, slots=True)
class ClassicOptions:
    """How `sleap-nn track` and `sleap-nn predict --tracker classic` are told to track.

    A None of `features` and `scoring_method` is keypoints and oks; for skeletons of one keypoint,
    centroids and euclidean_dist, as `predict` chooses. `max_tracks` makes local queues of a fixed window.
    Raises `UsageError` for what sleap-nn does not know, refuses or would pass over in silence.
    """

    tracking_window_size: int = 5  # frames, or instances a track
    candidates_method: str = "fixed_window"
    min_new_track_points: int = 0  # a track begins with more keypoints than these
    min_match_points: int = 0  # earlier instances with no more keypoints than these are no candidates
    features: str | None = None
    scoring_method: str | None = None
    scoring_reduction: str = "mean"
    robust_best_instance: float = 1.0  # the quantile
    track_matching_method: str = "hungarian"
    oks_stddev: float | None = None  # 0.025, or 0.1 where a Kalman filter predicts each keypoint
    max_tracks: int | None = None
    tracking_target_instance_count: int | None = None
    tracking_pre_cull_to_target: int = 0  # 0: no
    tracking_pre_cull_iou_threshold: float = 0.0  # 0: none
    tracking_clean_instance_count: int = 0  # 0: no
    tracking_clean_iou_threshold: float = 0.0  # 0: none
    post_connect_single_breaks: bool = False
    use_flow: bool = False
    of_img_scale: float = 1.0
    of_window_size: int = 21  # pixels of the scaled image
    of_max_levels: int = 3
    use_kalman: bool = False
    kf_track_features: str = "centroid"
    kf_init_frame_count: int = 10
    kf_node_indices: tuple[int, ...] | None = None  # keypoints; None: all
    kf_reset_gap_size: int = 5  # frames

    def __post_init__(self) -> None:
        if self.features == "image":
            raise UsageError("sleap-nn 0.3.5 has no tracking by image", fix=_one_of("features"))
        for name in CHOICES:
            value = getattr(self, name)
            if value not in CHOICES[name] and not (value is None and name in ("features", "scoring_method")):
                raise UsageError(f"{name}: there is no {value!r}", fix=_one_of(name))
        for name, least in LEAST.items():
            if (value := getattr(self, name)) is not None and value < least:
                raise UsageError(f"{name} is {value}", fix=f"{least} or more")
        self._check_numbers()
        self._check_what_belongs_together()

    @property
    def local_queues(self) -> bool:
        """Whether each track keeps its own last instances; a cap on tracks is kept only so."""
        return self.candidates_method == "local_queues" or self.max_tracks is not None

    @property
    def stddev(self) -> float:
        """Of the object keypoint similarity."""
        if self.oks_stddev is not None:
            return self.oks_stddev
        predicted = self.use_kalman and self.kf_track_features == "keypoints"
        return STDDEV_OF_PREDICTED_KEYPOINTS if predicted else STDDEV

    def chosen(self, keypoints: int) -> tuple[str, str]:
        """Features and scoring method for skeletons of so many keypoints."""
        lone = keypoints == 1
        features = self.features or ("centroids" if lone else "keypoints")
        scoring = self.scoring_method or ("euclidean_dist" if lone else "oks")
        _check_shape(features, scoring)
        return features, scoring

    def _check_numbers(self) -> None:
        for name in SHARES:
            if not 0 <= (value := getattr(self, name)) <= 1:
                raise UsageError(f"{name} is {value}", fix="a number from 0 to 1")
        for name in ("oks_stddev", "of_img_scale"):
            value = getattr(self, name)
            if value is not None and not 0 < value < float("inf"):
                raise UsageError(f"{name} is {value}", fix="a number above 0")
        if self.kf_node_indices is not None and (not self.kf_node_indices or min(self.kf_node_indices) < 0):
            raise UsageError(f"kf_node_indices is {self.kf_node_indices}", fix="indices of keypoints, from 0")

    def _check_what_belongs_together(self) -> None:
        default = {field.name: field.default for field in fields(self)}
        for name, needed in NEEDS.items():
            wanted = VALUES.get(needed)
            met = getattr(self, needed) in (wanted, default[needed] if needed == "scoring_method" else wanted)
            if getattr(self, name) != default[name] and not (met if wanted else getattr(self, needed)):
                asked = f"{needed}={wanted}" if wanted else needed
                raise UsageError(f"{name} does nothing without {asked}", fix=f"give {asked}, or leave it out")
        if self.features and self.scoring_method:
            _check_shape(self.features, self.scoring_method)
        if self.use_flow and self.use_kalman:
            raise UsageError("use_flow and use_kalman exclude each other", fix="give one of them")
        if self.use_kalman and not (self.tracking_target_instance_count or self.max_tracks):
            raise UsageError("use_kalman needs the number of animals", fix="tracking_target_instance_count")


def _check_shape(features: str, scoring: str) -> None:
    if (fitting := SHAPES.get(scoring, features)) != features:
        raise UsageError(f"scoring_method={scoring} cannot score {features}", fix=f"features={fitting}")


def _one_of(name: str) -> str:
    return f"choose from {', '.join(CHOICES[name])}"
