"""Names of what results may hold beside poses, which those who write them and those who read them share."""

BOX = {"box.x": "px", "box.y": "px", "box.width": "px", "box.height": "px", "box.score": "1"}
"""Columns and units of the box that an animal was read in: left, top, size and score."""
NOWHERE = "nowhere"
"""The column of lists that tells how likely each individual is where nobody is."""


def peak_column(keypoint: str, what: str) -> str:
    """The column of lists of a keypoint's peaks: x, y, confidence, or an individual that they look like."""
    return f"peaks.{keypoint}.{what}"


def line_column(source: str, destination: str, what: str) -> str:
    """The column of lists of the lines from each peak of a keypoint to each of another: score or length."""
    return f"lines.{source}.{destination}.{what}"
