"""A model or a result against labels."""

from ethopose.evaluate.drawing import Drawing
from ethopose.evaluate.evaluation import Evaluation
from ethopose.evaluate.measure import evaluate

__all__ = ["Drawing", "Evaluation", "evaluate"]
