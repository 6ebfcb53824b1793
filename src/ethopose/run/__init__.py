"""Many videos: planned, handed to workers on every device, watched, and nothing lost."""

from ethopose.run.api import check, retry, run
from ethopose.run.report import RunReport
from ethopose.run.settings import Settings
from ethopose.run.status import read_status

__all__ = ["RunReport", "Settings", "check", "read_status", "retry", "run"]
