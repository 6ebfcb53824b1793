"""What `info` found, in rows for people."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pydantic import JsonValue

Row = tuple[str, str]
COLORS = {"as_filmed": "colour as filmed", "gray": "gray", "rgb": "RGB"}
UNITS = ("bytes", "KiB", "MiB", "GiB", "TiB")


def describe(info: Mapping[str, JsonValue]) -> list[Row]:
    """A name and a text for each thing that `info` found; what is empty or unknown is left out."""
    return [row for key, value in info.items() for row in _rows(key, value)]


def _rows(name: str, value: Any) -> Iterator[Row]:
    words = name.replace("_", " ")
    if name == "stages":
        for number, stage in enumerate(value, 1):
            yield from _stage(f"stage {number}", stage)
    elif isinstance(value, dict):
        for key, each in value.items():
            yield from ((f"{words}: {inner}", text) for inner, text in _rows(key, each))
    elif value is not None and value not in ([], ""):
        yield words, _text(name, value)


def _text(name: str, value: Any) -> str:
    if name in ("edges", "symmetries"):
        return ", ".join(" – ".join(pair) for pair in value)
    if name == "runs":
        return ", ".join(f"{first} to {last}" for first, last in value)
    if name == "keypoints":
        return f"{len(value)}: {', '.join(value)}"
    if name == "bytes":
        return size_in_words(value)
    if name == "seconds":
        return _duration(value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:g}"
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def size_in_words(size: int) -> str:
    """Bytes in the largest unit that they fill."""
    fills = min(max(size, 1).bit_length() - 1, 49) // 10  # of 1, 2**10, 2**20 ...
    return f"{size / 1024**fills:.4g} {UNITS[fills]}"


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds, 1), 60)
    if not minutes:
        return f"{seconds:g}"
    clock = f"{int(minutes) // 60}:{int(minutes) % 60:02d}:{rest:04.1f}"
    return f"{seconds:g} ({clock})"


def _stage(name: str, stage: Mapping[str, Any]) -> Iterator[Row]:
    preparation, network = stage["preparation"], stage["network"]
    yield f"{name}: input", "; ".join(_input(preparation, network["in_channels"]))
    heads = ", ".join(_head(head) for head in network["heads"])
    yield f"{name}: network", f"{network['backbone']['name']} → {heads}"
    options = network["backbone"]["options"].items()
    yield f"{name}: backbone", ", ".join(f"{key} {value}" for key, value in options if value is not None)
    if "parameters" in stage:
        yield f"{name}: parameters", f"{stage['parameters']:,}"
    yield f"{name}: grouping", f"{stage['grouping']['name']}, peak threshold {stage['peak_threshold']:g}"


def _input(preparation: Mapping[str, Any], channels: int) -> Iterator[str]:
    yield f"{COLORS[preparation['color']]}, the network reads {channels} channel{'s' * (channels > 1)}"
    if any(preparation["fit"] or ()):
        height, width = (side or "as filmed" for side in preparation["fit"])
        yield f"fitted into height {height} × width {width} px"
    if preparation["crop"]:
        yield "crops of height {} × width {} px".format(*preparation["crop"])
    if preparation["scale"] != 1:
        yield f"scaled by {preparation['scale']:g}"
    if preparation["pad_to"] > 1:
        yield f"padded to multiples of {preparation['pad_to']}"


def _head(head: Mapping[str, Any]) -> str:
    stride = head["options"].get("stride")
    return str(head["name"]) if stride is None else f"{head['name']} (stride {stride})"
