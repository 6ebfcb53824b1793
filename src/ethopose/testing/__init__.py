"""Worlds: videos made from a known truth, and how far poses are from it. For tests, of your own code too."""

from ethopose.testing.chance import any_poses, random_poses
from ethopose.testing.comparison import Comparison, compare
from ethopose.testing.world import World

__all__ = ["Comparison", "World", "any_poses", "compare", "random_poses"]
