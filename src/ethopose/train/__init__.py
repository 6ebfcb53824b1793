"""Labels in, a model out: choices from the labels, data and augmentation, the visible loop, checkpoints."""

from ethopose.train.config import Config
from ethopose.train.labelled import Dataset, labels
from ethopose.train.plan import Plan
from ethopose.train.training import Trained, prepare, train
from ethopose.train.trial import Trial, try_out

__all__ = ["Config", "Dataset", "Plan", "Trained", "Trial", "labels", "prepare", "train", "try_out"]
