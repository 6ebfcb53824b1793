"""Who is known by name, and what each looks like; tracks of another video are compared with it.

An animal's vector is its own, plus what changes from video to video, which is taken to be what changes within
a track, and a share of what animals differ by.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float32, Float64, Int64

from ethopose.core import ModelError
from ethopose.core.assignment import assignment
from ethopose.store import UNSURE, replacing
from ethopose.track import NAT, SHIFT

NAME = "gallery.json"
OURS = re.compile(r"track_\d+(_\d+)?")  # names that nobody gave
PARTS = 4  # of a track, whose means tell how much an animal's looks change
FEWEST = 8  # rows of a track
MOST, CERTAIN = 60.0, 1e6  # nats that looks may say; that a person does


@dataclass(frozen=True, slots=True)
class Seen:
    """Tracks of a video by their looks."""

    names: tuple[str, ...]
    mean: Float64[np.ndarray, "track dimension"]  # NaN: hardly seen
    count: Int64[np.ndarray, "track"]  # rows
    within: Float64[np.ndarray, "dimension dimension"]  # covariance of means of parts of a track
    between: Float64[np.ndarray, "dimension dimension"]  # of means of tracks


def seen_of(names: Sequence[str], track: np.ndarray, vector: Float32[np.ndarray, "row dimension"]) -> Seen:
    """Of rows in order of time, and the track that each is on."""
    size = vector.shape[1]
    mean, count = np.full((len(names), size), np.nan), np.zeros(len(names), np.int64)
    within, parts = np.zeros((size, size)), 0
    for number in range(len(names)):
        mine = vector[track == number].astype(np.float64)
        count[number] = len(mine)
        if len(mine) < FEWEST:
            continue
        mean[number] = mine.mean(0)
        off = np.stack([part.mean(0) for part in np.array_split(mine, PARTS)]) - mean[number]
        within, parts = within + off.T @ off, parts + PARTS - 1
    there = mean[np.isfinite(mean).all(1)]
    off = there - there.mean(0) if len(there) else np.zeros((1, size))
    between = off.T @ off / max(len(off) - 1, 1)
    return Seen(tuple(names), mean, count, within / max(parts, 1), between)


@dataclass(frozen=True, slots=True)
class Gallery:
    """What those who are known by name look like."""

    names: tuple[str, ...]
    mean: Float64[np.ndarray, "name dimension"]
    count: Int64[np.ndarray, "name"]  # rows
    within: Float64[np.ndarray, "dimension dimension"]
    between: Float64[np.ndarray, "dimension dimension"]

    def match(self, seen: Seen) -> tuple[Int64[np.ndarray, "track"], Float64[np.ndarray, "track"]]:
        """Who each track is, -1 for nobody who is known, and how sure that is: tracks of a video are
        different animals, and all are told at once. One that a person named as one of these is that one."""
        odds = self._odds(seen)
        for track, name in enumerate(seen.names):
            if name in self.names:
                odds[track], odds[:, self.names.index(name)] = -CERTAIN, -CERTAIN
                odds[track, self.names.index(name)] = CERTAIN
        best, who = _assigned(odds)
        sure = np.full(len(who), np.nan)
        for track in np.flatnonzero(who >= 0).tolist():
            other = odds.copy()
            other[track, who[track]] = -CERTAIN
            sure[track] = 1 / (1 + np.exp(-min((best - _assigned(other)[0]) / NAT, 50.0)))
        return who, sure

    def named(self, seen: Seen) -> dict[str, tuple[str, float]]:
        """Who each track most likely is, and how sure that is."""
        who, sure = self.match(seen)
        return {
            seen.names[track]: (self.names[who[track]], float(sure[track]))
            for track in np.flatnonzero(who >= 0)
        }

    def _odds(self, seen: Seen) -> Float64[np.ndarray, "track name"]:
        """Log odds that a track is one of these, and not anybody."""
        size = self.mean.shape[1]
        shift = (
            SHIFT / 2 * np.trace(self.between) / size * np.eye(size)
        )  # whichever way: days differ as they do
        own = self.within + shift + 1e-4 * np.eye(size)
        mean = np.nan_to_num(seen.mean)
        same = _likely(mean[:, None] - self.mean, 2 * own)
        anybody = _likely(mean, own + np.eye(size) / size)  # vectors have the length 1
        odds = np.clip(same - anybody[:, None], -MOST, MOST)
        return np.where(np.isfinite(seen.mean).all(1)[:, None], odds, -CERTAIN)

    def met(self, seen: Seen, taken: Collection[str]) -> Gallery:
        """With another video: those who are known are met again, others come in, under names of their own
        or else under such as are not `taken`."""
        who, sure = self.match(seen)
        names, mean, count = list(self.names), [*self.mean], [*self.count]
        for track in np.flatnonzero(seen.count >= FEWEST):
            name, known = seen.names[track], int(who[track])
            if known < 0 or sure[track] < UNSURE:
                names.append(_free({*names, *taken}) if OURS.fullmatch(name) else name)
                mean.append(seen.mean[track])
                count.append(seen.count[track])
                continue
            rows = count[known] + seen.count[track]
            mean[known] = mean[known] + (seen.mean[track] - mean[known]) * seen.count[track] / rows
            count[known] = rows
            if not OURS.fullmatch(name) and re.fullmatch(r"animal_\d+", names[known]):
                names[known] = name
        half = (self.within + seen.within) / 2, (self.between + seen.between) / 2
        means = np.reshape(np.array(mean, np.float64), (-1, self.mean.shape[1]))
        return Gallery(tuple(names), means, np.array(count, np.int64), *half)

    def write(self, folder: Path) -> None:
        """Into a model's folder. Raises `ResultError`."""
        known = {
            name: {
                "mean": mean.tolist(),
                "spread": np.sqrt(np.diag(self.within)).tolist(),
                "rows": int(count),
            }
            for name, mean, count in zip(self.names, self.mean, self.count, strict=True)
        }
        told = {"names": known, "within": self.within.tolist(), "between": self.between.tolist()}
        with replacing(folder / NAME) as file:
            file.write(json.dumps(told, indent=1).encode())


def gallery_of(first: Seen, *others: Seen) -> Gallery:
    """Of videos of the same animals. A name that a person gave in one of them is given to nobody else."""
    known = Gallery((), first.mean[:0], first.count[:0], first.within, first.between)
    taken = {name for seen in (first, *others) for name in seen.names}
    for seen in (first, *others):
        known = known.met(seen, taken)
    return known


def read_gallery(folder: Path, dimensions: int) -> Gallery:
    """Of a model's folder. Raises `ModelError`."""
    path = folder / NAME
    try:
        told = json.loads(path.read_text())
        known: Mapping[str, dict[str, object]] = told["names"]
        mean = np.array([each["mean"] for each in known.values()], np.float64).reshape(-1, dimensions)
        count = np.array([each["rows"] for each in known.values()], np.int64)
        within, between = (np.array(told[name], np.float64) for name in ("within", "between"))
        if within.shape != (dimensions, dimensions) or between.shape != within.shape:
            raise ValueError(f"vectors of {within.shape}")
    except FileNotFoundError:
        fix = "name a folder that ethopose reid train wrote"
        raise ModelError(f"not a model of reid train: there is no {NAME}", where=folder, fix=fix) from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelError(f"damaged: {error}", where=path) from None
    return Gallery(tuple(known), mean, count, within, between)


def _free(taken: Collection[str]) -> str:
    number = 1
    while f"animal_{number}" in taken:
        number += 1
    return f"animal_{number}"


def _likely(
    off: Float64[np.ndarray, "*row dimension"], covariance: np.ndarray
) -> Float64[np.ndarray, "*row"]:
    """Log density of a normal distribution about 0."""
    squares = (off @ np.linalg.inv(covariance) * off).sum(-1)
    told: np.ndarray = -(squares + np.linalg.slogdet(2 * np.pi * covariance)[1]) / 2
    return told


def _assigned(odds: Float64[np.ndarray, "track name"]) -> tuple[float, Int64[np.ndarray, "track"]]:
    """The likeliest way to name tracks, each name once: its log odds, and who each is; -1: nobody."""
    tracks, names = odds.shape
    wide = np.concatenate([odds, np.zeros((tracks, tracks))], 1)  # anybody
    track, who = assignment(wide, maximize=True)
    return float(wide[track, who].sum()), np.where(who < names, who, -1)
