"""Joining what broke: one track lost, one found instead (sleap-nn 0.3.5, `post_connect_single_breaks`)."""

from __future__ import annotations


class Breaks:
    """Renames tracks, called with the tracks of frames in order; -1 is one of them, as with the peer."""

    def __init__(self) -> None:
        self._names: dict[int, int] = {}  # of the new track: the one it goes on with
        self._whole: set[int] | None = None  # the tracks of the last frame that lacked none

    def __call__(self, tracks: list[int]) -> list[int]:
        """The tracks of a frame's instances under the names they go on with."""
        whole = set(tracks) if self._whole is None else self._whole
        named = list(tracks)
        for row, track in enumerate(tracks):
            if track in self._names and self._names[track] not in named:
                named[row] = self._names[track]
        extra, missing = set(named) - whole, whole - set(named)
        if len(extra) == len(missing) == 1:
            (new,), (old,) = extra, missing
            self._names[new] = old
            named[named.index(new)] = old
        elif len(set(named)) >= len(whole):
            whole = set(named)
        self._whole = whole
        return named
