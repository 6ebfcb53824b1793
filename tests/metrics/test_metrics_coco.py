"""COCO's metrics against pycocotools."""

import contextlib
import io

import numpy as np
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from ethopose.metrics import Scene, coco

FAR = 9000.0  # px; where a detection lies that was not made: COCO's files have no missing keypoints
NAMES = ("AP", "AP50", "AP75", "AR", "AR50", "AR75")


def asked_of_pycocotools(scenes: list[Scene], sigmas: np.ndarray) -> dict[str, float]:
    keypoints = scenes[0].truth.shape[1]
    images = [{"id": image} for image in range(len(scenes))]
    animals, detections = [], []
    for image, scene in enumerate(scenes):
        for xy in scene.truth:
            low, high = np.nanmin(xy, axis=0), np.nanmax(xy, axis=0)
            there = ~np.isnan(xy).any(axis=1)
            flat = np.column_stack([np.nan_to_num(xy), 2 * there]).ravel()
            animals.append(
                {
                    "id": len(animals) + 1,
                    "image_id": image,
                    "category_id": 1,
                    "keypoints": flat.tolist(),
                    "num_keypoints": int(there.sum()),
                    "area": float(np.prod(high - low)),
                    "bbox": [*low, *(high - low)],
                    "iscrowd": 0,
                }
            )
        for xy, score in zip(scene.found, scene.score, strict=True):
            flat = np.column_stack([np.nan_to_num(xy, nan=FAR), np.ones(keypoints)]).ravel()
            detections.append(
                {"image_id": image, "category_id": 1, "keypoints": flat.tolist(), "score": float(score)}
            )
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO()
        truth.dataset = {"images": images, "annotations": animals, "categories": [{"id": 1}], "info": {}}
        truth.createIndex()
        evaluator = COCOeval(truth, truth.loadRes(detections), "keypoints")
        evaluator.params.kpt_oks_sigmas = sigmas
        evaluator.evaluate()
        evaluator.accumulate()
        evaluator.summarize()
    return dict(zip(NAMES, evaluator.stats[[0, 1, 2, 5, 6, 7]], strict=True))


def test_every_number_is_what_pycocotools_says(random_scenes, case):
    if case == "nobody found":
        assert coco(random_scenes) == dict.fromkeys(NAMES, 0)
        return
    for sigma in (0.05, np.linspace(0.03, 0.2, random_scenes[0].truth.shape[1])):
        sigmas = np.broadcast_to(sigma, random_scenes[0].truth.shape[1:2])
        expected = asked_of_pycocotools(random_scenes, sigmas)
        assert coco(random_scenes, sigma) == pytest.approx(expected, abs=1e-9)


def test_a_crowd_of_found_animals_is_cut_at_twenty_as_pycocotools_does():
    chance = np.random.default_rng(0)
    truth = chance.uniform(0, 300, (30, 1, 2)) + chance.uniform(-20, 20, (30, 4, 2))
    scenes = [Scene(truth, truth + chance.normal(0, 1, truth.shape), np.ones((30, 4)), chance.random(30))]
    expected = asked_of_pycocotools(scenes, np.full(4, 0.05))
    assert coco(scenes) == pytest.approx(expected, abs=1e-9)
    assert expected["AR50"] == pytest.approx(20 / 30)


def test_of_two_animals_that_are_equally_like_the_last_is_taken_as_pycocotools_does():
    box = np.array([[0.0, 0.0], [20.0, 0.0], [0.0, 20.0], [20.0, 20.0]])
    truth = np.stack([box, box, box + 2])
    scenes = [Scene(truth, np.stack([box, box + 2]), np.ones((2, 4)), np.array([0.9, 0.8]))] * 2
    assert coco(scenes) == pytest.approx(asked_of_pycocotools(scenes, np.full(4, 0.05)), abs=1e-9)


def test_single_points_have_no_precision():
    scenes = [Scene(np.zeros((1, 1, 2)), np.zeros((1, 1, 2)), np.ones((1, 1)), np.ones(1))]
    assert np.isnan(list(coco(scenes).values())).all()
