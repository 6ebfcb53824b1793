"""The power fails: whatever had reached the disk at any moment is readable, and the run goes on from it.

A disk that records every operation is replayed up to each of them. Bytes that were not synced are lost; names
that were not synced are lost too, or all kept, since a file system may do either.
"""

import io
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from small_result import MANIFEST, files, make
from test_faults import is_a_beginning

from ethopose import store
from ethopose.store import atomic


@dataclass
class File:
    """What a file holds, and what of it would be there after a power cut."""

    content: bytes = b""
    synced: bytes | None = None


@dataclass
class Recording(atomic.Disk):
    """A disk that notes what is asked of it, and does it."""

    log: list[tuple] = field(default_factory=list)

    def make_folder(self, path: Path) -> None:
        self.log.append(("folder", path))
        super().make_folder(path)

    def create(self, path: Path):
        self.log.append(("create", path))
        return Tapped(super().create(path), self.log, path)

    def sync(self, path: Path) -> None:
        self.log.append(("sync", path))
        super().sync(path)

    def replace(self, source: Path, target: Path) -> None:
        self.log.append(("replace", source, target))
        super().replace(source, target)

    def sync_folder(self, path: Path) -> None:
        self.log.append(("sync folder", path))
        super().sync_folder(path)

    def remove(self, path: Path) -> None:
        self.log.append(("remove", path))
        super().remove(path)


class Tapped(io.RawIOBase):
    """A file whose writes are noted."""

    def __init__(self, file, log: list[tuple], path: Path) -> None:
        self.file, self.log, self.path = file, log, path

    def write(self, content) -> int:
        self.log.append(("write", self.path, bytes(content)))
        return self.file.write(content)

    def __exit__(self, *error) -> None:
        self.file.__exit__(*error)


def after_a_power_cut(log: list[tuple], *, names_kept: bool) -> dict[Path, bytes]:
    """What is on the disk once it is back."""
    now: dict[Path, File] = {}
    durable: dict[Path, File] = {}
    for what, path, *more in log:
        if what == "create":
            now[path] = File()
        elif what == "write":
            now[path].content += more[0]
        elif what == "sync":
            now[path].synced = now[path].content
        elif what == "replace":
            now[more[0]] = now.pop(path)
        elif what == "remove":
            now.pop(path, None)
        elif what == "sync folder":
            durable = {p: f for p, f in durable.items() if p.parent != path}
            durable |= {p: f for p, f in now.items() if p.parent == path}
    left = now if names_kept else durable
    return {path: file.synced or b"" for path, file in left.items()}


@pytest.mark.parametrize("names_kept", [True, False])
def test_after_every_prefix_of_operations_the_result_is_readable_and_goes_on(
    names_kept, tmp_path, use_disk, monkeypatch
):
    recording = use_disk(Recording())
    make(tmp_path / "once")
    use_disk(atomic.Disk())
    wanted = files(tmp_path / "once")
    assert len(recording.log) > 60
    for length in range(len(recording.log) + 1):
        path = tmp_path / f"cut-{length}"
        for folder in ("poses", "frames"):
            (path / folder).mkdir(parents=True)
        for file, content in after_a_power_cut(recording.log[:length], names_kept=names_kept).items():
            (path / file.relative_to(tmp_path / "once")).write_bytes(content)
        if store.is_result(path):
            result = store.read(path)
            assert is_a_beginning(result, MANIFEST), length
            assert all(len(part.frames) for part in result), length
        else:
            assert not list(path.glob("*/*.parquet")), length  # no part before the manifest
            for folder in ("poses", "frames"):
                (path / folder).rmdir()
        make(path)
        assert files(path) == wanted, length
