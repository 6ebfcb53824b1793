"""Put other disks under the store."""

from collections.abc import Callable

import pytest

from ethopose.store import atomic


@pytest.fixture
def use_disk(monkeypatch: pytest.MonkeyPatch) -> Callable[[atomic.Disk], atomic.Disk]:
    """What is written from now on goes through the disk given."""

    def use(disk: atomic.Disk) -> atomic.Disk:
        monkeypatch.setattr(atomic, "disk", disk)
        return disk

    return use
