"""The one family of errors, and the exit codes of the command line.

EthoposeError
├── UsageError       the call itself is wrong; nothing was touched (exit 2)
├── ModelError       a model folder that cannot be read or run
├── VideoError       a video that cannot be opened or read
├── DataError        labels or poses that contradict themselves
├── FormatError      a file that is not what its name says
├── SpecError        a configuration with a wrong or unknown key
├── ResultError      a result folder that cannot be used as asked
│   ├── BusyError
│   └── DiskFullError
└── InferenceError   the network could not be run
    └── MemoryFullError
"""

from enum import IntEnum


class EthoposeError(Exception):
    """All that ethopose raises on purpose: what is wrong, where, and how to put it right."""

    def __init__(self, what: str, *, where: object = None, fix: str | None = None) -> None:
        self.what, self.where, self.fix = what, where, fix
        parts = [what, where is not None and f"in: {where}", fix and f"fix: {fix}"]
        super().__init__("; ".join(part for part in parts if part))

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild, (type(self), self.what, self.where, self.fix)


def _rebuild(kind: type[EthoposeError], what: str, where: object, fix: str | None) -> EthoposeError:
    return kind(what, where=where, fix=fix)


class UsageError(EthoposeError):
    """The call itself is wrong; nothing was touched."""


class ModelError(EthoposeError):
    """A model folder that cannot be read or run."""


class VideoError(EthoposeError):
    """A video that cannot be opened or read."""


class DataError(EthoposeError):
    """Labels or poses that contradict themselves."""


class FormatError(EthoposeError):
    """A file that is not what its name says."""


class SpecError(EthoposeError):
    """A configuration with a wrong or unknown key."""


class ResultError(EthoposeError):
    """A result folder that cannot be used as asked."""


class BusyError(ResultError):
    """Another run is at work on the result."""


class DiskFullError(ResultError):
    """There is no room left: nothing more can be stored, what is stored is whole."""


class InferenceError(EthoposeError):
    """The network could not be run."""


class MemoryFullError(InferenceError):
    """The device has no memory left for a batch."""


class ExitCode(IntEnum):
    """What the command line returns."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    LOSSES = 3  # done, but a video failed or frames could not be read; they are listed
    STOPPED = 75  # start the same command again to continue
    INTERRUPTED = 130
