"""One video and one model: decode, network, group, write; resumable at any moment."""

from ethopose.predict.options import Options
from ethopose.predict.profile import Profile
from ethopose.predict.report import Report
from ethopose.predict.videos import predict, predict_all

__all__ = ["Options", "Profile", "Report", "predict", "predict_all"]
