"""HDF5 files: written whole or not at all, read without trust."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from ethopose.core import DataError
from ethopose.store import replacing

if TYPE_CHECKING:
    import h5py

_DEFLATE_LIMIT = 1032  # zlib packs no tighter; a dataset that claims to is no data


@contextmanager
def replacing_hdf5(path: Path, *, version: str | None = None) -> Iterator["h5py.File"]:
    """An HDF5 file that becomes `path` when the block ends well; else `path` is as it was.

    `version` is the oldest HDF5 that need read it, as h5py calls it; attributes over 64 KiB need v108.

    Raises:
        ResultError: the disk is full, the place cannot be written to.
    """
    import h5py

    with replacing(path) as file:
        patient = _Patient(file)
        with h5py.File(patient, "w", libver=version) as hdf5:
            yield hdf5
        if patient.failure is not None:
            raise patient.failure


class _Patient:
    """A file that takes every write and keeps the first failure for later.

    HDF5 crashes the process when it closes a file whose disk is full (a segmentation fault in 2.0), so it
    must never hear of it. What could not be written reads as zeros.
    """

    def __init__(self, file: BinaryIO) -> None:
        self.file = file
        self.failure: OSError | None = None
        self.position = self.size = 0

    def seek(self, offset: int, whence: int = 0) -> int:
        self.position = offset + (0, self.position, self.size)[whence]
        return self.position

    def tell(self) -> int:
        return self.position

    def write(self, content: memoryview) -> int:
        with self._failing_later():
            self.file.seek(self.position)  # writes what is buffered, so it can fail as well
            self.file.write(content)
        self.position += len(content)
        self.size = max(self.size, self.position)
        return len(content)

    def read(self, size: int) -> bytes:
        found = b""
        with self._failing_later():
            self.file.seek(self.position)
            found = self.file.read(size)
        self.position += size
        return found + bytes(size - len(found))

    def readinto(self, content: memoryview) -> int:
        content[:] = self.read(len(content))
        return len(content)

    def truncate(self, size: int) -> None:
        self.size = size
        with self._failing_later():
            self.file.truncate(size)

    def flush(self) -> None:
        with self._failing_later():
            self.file.flush()

    @contextmanager
    def _failing_later(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            self.failure = self.failure or error


def plain_dataset(group: "h5py.Group", name: str, ndim: int = 1) -> "h5py.Dataset":
    """A dataset that lies in this file, has so many axes and is as large as it says.

    Raises:
        DataError, KeyError: it is not.
    """
    import h5py

    dataset = group[name]
    if not isinstance(group.get(name, getlink=True), h5py.HardLink) or not isinstance(dataset, h5py.Dataset):
        raise DataError(f"{name} is not a dataset of this file")
    if dataset.ndim != ndim or dataset.external or dataset.is_virtual:
        raise DataError(f"{name} is not a plain {'list' if ndim == 1 else 'array'}")
    if dataset.nbytes > _DEFLATE_LIMIT * dataset.id.get_storage_size():
        raise DataError(f"{name} claims {dataset.nbytes} bytes that are not there")
    return dataset
