"""sleap-nn from nothing for some minutes, then its predictions. Run by the Python that has sleap-nn.

    PYTHON training_sleap_nn.py --labels FOLDER --split split.json --minutes 5 --out sleap-nn.json

Its sample configuration for one animal (`config_single_instance_unet_medium_rf.yaml`) with grey input, an
input scale, images cached in memory and no pictures drawn. Its schedule of learning rates needs validation:
on the split's `val`, with the clock stopped. The last weights predict, by its own predictor with no
threshold, so that no keypoint is held back.
"""

# ruff: noqa: E402 (the clock and the limit of cores come before the imports)
from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np

import training_shared as peer

OPTIONS = peer.arguments(__doc__)

import sleap_io
import sleap_nn
import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from omegaconf import OmegaConf
from sleap_nn.inference import Predictor
from sleap_nn.training.model_trainer import ModelTrainer

BATCH = 4
SCALES = {640: 0.5, 406: 0.63}  # by the longest side in px; otherwise its default of 1, several times slower
CONFIG = """
data_config:
  data_pipeline_fw: torch_dataset_cache_img_memory
  preprocessing: {ensure_grayscale: true}
  use_augmentations_train: true
  augmentation_config:
    geometric: {rotation_min: -15.0, rotation_max: 15.0, scale_min: 0.9, scale_max: 1.1, affine_p: 1.0}
model_config:
  backbone_config:
    unet: {in_channels: 1, kernel_size: 3, filters: 16, filters_rate: 2.0, max_stride: 16, stem_stride: null,
           middle_block: true, up_interpolate: true, stacks: 1, convs_per_block: 2, output_stride: 2}
  head_configs:
    single_instance: {confmaps: {part_names: null, sigma: 2.5, output_stride: 2}}
trainer_config:
  train_data_loader: {batch_size: 4, shuffle: true, num_workers: 0}
  val_data_loader: {batch_size: 4, shuffle: false, num_workers: 0}
  model_ckpt: {save_top_k: 1, save_last: false}
  trainer_accelerator: cpu
  enable_progress_bar: false
  min_train_steps_per_epoch: 200
  visualize_preds_during_training: false
  max_epochs: 200
  save_ckpt: true
  run_name: model
  optimizer_name: Adam
  optimizer: {lr: 0.0001, amsgrad: false}
  lr_scheduler:
    reduce_lr_on_plateau: {threshold: 1.0e-08, threshold_mode: abs, cooldown: 3, patience: 5, factor: 0.5,
                           min_lr: 1.0e-08}
  early_stopping: {min_delta: 1.0e-08, patience: 10, stop_training_on_plateau: true}
"""


class Budget(Callback):
    """Ends the training when the clock says so; validation does not count."""

    def __init__(self, clock: peer.Clock) -> None:
        self.clock = clock

    def on_train_epoch_start(self, trainer: Trainer, module: LightningModule) -> None:
        self.clock.start()

    def on_train_batch_end(self, trainer: Trainer, module: LightningModule, outputs, batch, index) -> None:
        if self.clock.step(len(batch["image"])):
            trainer.should_stop = True

    def on_validation_start(self, trainer: Trainer, module: LightningModule) -> None:
        self.clock.pause()

    def on_train_end(self, trainer: Trainer, module: LightningModule) -> None:
        self.clock.pause()


class TimedTrainer(ModelTrainer):
    """Its trainer with the budget among the callbacks."""

    def _setup_loggers_callbacks(self, **datasets):
        loggers, callbacks = super()._setup_loggers_callbacks(**datasets)
        return loggers, [Budget(self.clock), *callbacks]


def slp(labels: peer.Labels, chosen: slice) -> sleap_io.Labels:
    """The chosen images as its labels: one video of images, an animal in each."""
    skeleton = sleap_io.Skeleton(labels.keypoints)
    video = sleap_io.Video.from_filename([str(path) for path in labels.images[chosen]])
    poses = [sleap_io.Instance.from_numpy(xy, skeleton) for xy in labels.xy[chosen]]
    frames = [sleap_io.LabeledFrame(video, index, [pose]) for index, pose in enumerate(poses)]
    return sleap_io.Labels(frames, videos=[video], skeletons=[skeleton])


def train(labels: sleap_io.Labels, held_out: sleap_io.Labels, folder: str, clock: peer.Clock) -> Path:
    """Its training; a folder of its own with the last weights."""
    scale = SCALES.get(max(labels.video.shape[1:3]), 1.0)
    chosen = {
        "data_config": {"preprocessing": {"scale": scale}},
        "trainer_config": {"ckpt_dir": folder, "seed": OPTIONS.seed},
    }
    config = OmegaConf.merge(OmegaConf.create(CONFIG), chosen)
    trainer = TimedTrainer.get_model_trainer_from_config(config, [labels], [held_out])
    trainer.clock = clock
    trainer.train()
    model = Path(folder) / "model"
    trainer.trainer.save_checkpoint(model / "best.ckpt")  # where its predictor looks
    return model


def main() -> None:
    torch.set_num_threads(OPTIONS.threads)
    labels, clock = peer.read_labels(OPTIONS.labels, OPTIONS.split), peer.Clock(60 * OPTIONS.minutes)
    held_out = slp(labels, labels.held_out)
    with tempfile.TemporaryDirectory() as folder:
        model = train(slp(labels, slice(labels.trained)), held_out, folder, clock)
        predictor = Predictor.from_model_paths([str(model)], peak_threshold=0.0)
        found = predictor.predict(held_out)
    names = labels.names[labels.held_out]
    predictions = {name: np.full((len(labels.keypoints), 3), np.nan) for name in names}
    for frame in found:
        for pose in frame.instances:
            predictions[names[frame.frame_idx]] = pose.numpy(scores=True)
    peer.write(
        OPTIONS, {"tool": "sleap-nn", "version": sleap_nn.__version__, "batch": BATCH}, clock, predictions
    )


if __name__ == "__main__":
    main()
