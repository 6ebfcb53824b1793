"""DeepLabCut's training from nothing, ended by a clock. Imported by drivers that its own Python runs."""

from __future__ import annotations

from pathlib import Path

from deeplabcut.pose_estimation_pytorch import train_network
from deeplabcut.pose_estimation_pytorch.models import DETECTORS, PoseModel
from deeplabcut.pose_estimation_pytorch.runners import train as runners

import training_shared as peer


class BudgetSpent(Exception):  # noqa: N818 (no error: how to leave its training)
    """Carries the training runner out."""


def train_timed(
    config: Path, clock: peer.Clock, changes: dict[str, object], shuffle: int = 1, **lengths: int
) -> None:
    """Its `train_network`, not pretrained, until the clock says; the last weights become its newest snapshot.

    `lengths` are its options; `epochs=0` trains the detector alone, `detector_epochs=0` the pose network.
    """
    build, detector = PoseModel.build, DETECTORS.build
    fit, pose, boxes = (
        runners.TrainingRunner.fit,
        runners.PoseTrainingRunner.step,
        runners.DetectorTrainingRunner.step,
    )

    def from_nothing(cfg, weight_init=None, pretrained_backbone=True):
        return build(cfg, weight_init, pretrained_backbone=False)

    def detector_from_nothing(cfg, weight_init=None, pretrained=True):
        return detector(cfg, weight_init=weight_init, pretrained=False)

    def timed_fit(runner, *loaders, **options):
        clock.start()
        fit(runner, *loaders, **options)
        clock.pause()

    def timed(step):
        def timed_step(runner, batch, mode="train"):
            losses = step(runner, batch, mode)
            if clock.step(len(batch["image"])):
                clock.pause()
                raise BudgetSpent(runner)
            return losses

        return timed_step

    PoseModel.build, DETECTORS.build, runners.TrainingRunner.fit = (
        from_nothing,
        detector_from_nothing,
        timed_fit,
    )
    runners.PoseTrainingRunner.step, runners.DetectorTrainingRunner.step = timed(pose), timed(boxes)
    changes = {"runner.eval_interval": 10_000, **changes}
    try:
        train_network(config, shuffle=shuffle, device="cpu", pytorch_cfg_updates=changes, **lengths)
    except BudgetSpent as spent:
        (runner,) = spent.args
        runner.snapshot_manager.update(runner.current_epoch, runner.state_dict(), last=True)
    finally:
        PoseModel.build, DETECTORS.build, runners.TrainingRunner.fit = build, detector, fit
        runners.PoseTrainingRunner.step, runners.DetectorTrainingRunner.step = pose, boxes
