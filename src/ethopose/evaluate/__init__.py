"""A model or a result against labels."""

from ethopose.evaluate.evaluation import Evaluation
from ethopose.evaluate.measure import evaluate

__all__ = ["Evaluation", "evaluate"]
