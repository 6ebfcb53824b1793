"""Files of a repository on the Hugging Face hub: its card, what that says of the licence, its weights."""

from __future__ import annotations

import re
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from ethopose.core import ModelError, UsageError
from ethopose.families.files import file_digest
from ethopose.models.pretrained import PATIENCE, out_of_reach
from ethopose.store import make_folder, replacing

if TYPE_CHECKING:
    from huggingface_hub import HfFileMetadata

Progress = Callable[[str, int, int], None]  # (file, bytes there, bytes in all)
CARD, UNTOLD = "README.md", "not told"
SHA256 = re.compile(r"[0-9a-f]{64}")  # what the hub tells of large files
BLOCK = 1 << 20  # bytes
RESTART = "check the network, then start the same command again"
AGAIN = "start the same command again: it goes on where it stopped"


@dataclass(frozen=True, slots=True)
class Licence:
    """What the card of a repository says about who may use its weights for what."""

    name: (
        str  # as the card's header tells it, or where it is not told there, `told in the card` or `not told`
    )
    text: str  # the card's own section on it, empty where there is none
    url: str  # of the card

    @property
    def told(self) -> bool:
        """Whether the card says anything."""
        return self.name != UNTOLD


@dataclass(frozen=True, slots=True)
class Stored:
    """A file on this machine, as a commit of its repository has it."""

    path: Path
    commit: str
    digest: str  # sha256 of its content


def fetch(
    repository: str, name: str, revision: str | None = None, progress: Progress | None = None
) -> Stored:
    """A file of a repository, in the hub's cache on this machine; what lies there is not fetched again, and
    what was interrupted goes on. Where the hub cannot be reached, what lies there is taken.

    Raises:
        UsageError: there is no such revision.
        ModelError: it cannot be fetched, or is not what the hub says it is.
    """
    from huggingface_hub import hf_hub_download

    place = f"{repository}/{name}"
    reason = out_of_reach()
    with _hub_errors(place, revision):
        told = None if reason else _told(repository, name, revision)
        try:
            path = Path(
                hf_hub_download(
                    repository,
                    name,
                    revision=revision,
                    tqdm_class=cast(Any, _bar(name, progress)),
                    local_files_only=told is None,
                )
            )
        except FileNotFoundError as error:
            if reason is None:
                raise
            what = f"the hub cannot be reached ({reason}), and {name} is not in its cache on this machine"
            raise ModelError(what, where=repository, fix="check the network, then try again") from error
    digest = file_digest(path)
    if told and told.etag and SHA256.fullmatch(told.etag) and told.etag != digest:
        path.resolve().unlink()
        path.unlink(missing_ok=True)
        what = f"not the file that the hub tells of: its sha256 is {digest[:12]}, not {told.etag[:12]}"
        raise ModelError(what, where=place, fix="it was removed; start the same command again")
    return Stored(path, path.parent.name, digest)


def fetch_from(url: str, progress: Progress | None = None) -> Stored:
    """A file of weights of torchvision, whose name ends in the first digits of its sha256; in torch's cache
    on this machine, where torchvision itself finds it.

    Raises:
        ModelError: it cannot be fetched, or is not what its name says.
        ResultError: the cache cannot be written.
    """
    import torch

    name = url.rpartition("/")[2]
    path = Path(torch.hub.get_dir()) / "checkpoints" / name
    if not path.is_file():
        make_folder(path.parent)
        _download(url, path, progress)
    digest, wanted = file_digest(path), path.stem.rpartition("-")[2]
    if not digest.startswith(wanted):
        what = f"not the file that its name tells of: its sha256 is {digest[:8]}, not {wanted}"
        raise ModelError(what, where=path, fix="remove it, then start the same command again")
    return Stored(path, "", digest)


def _download(url: str, path: Path, progress: Progress | None) -> None:
    done = 0
    with replacing(path) as file:
        for block, total in _blocks(url):
            file.write(block)
            done += len(block)
            if progress is not None:
                progress(path.name, done, total)


def _blocks(url: str) -> Iterator[tuple[bytes, int]]:
    """What is answered, bit by bit, and how many bytes it is in all. Raises `ModelError`."""
    done = 0
    try:
        with urllib.request.urlopen(url, timeout=PATIENCE) as answer:
            total = int(answer.headers.get("Content-Length") or 0)
            while block := answer.read(BLOCK):
                done += len(block)
                yield block, total
    except (OSError, HTTPException) as error:
        raise ModelError(f"cannot be fetched ({error})", where=url, fix=RESTART) from error
    if done < total:
        raise ModelError(f"the line broke after {done} of {total} bytes", where=url, fix=RESTART)


def licence(card: Stored, repository: str) -> Licence:
    """What a card says."""
    text = card.path.read_text(encoding="utf-8", errors="replace")
    header = re.match(r"---\s*\n(.*?)\n---\s*\n?", text, re.DOTALL)
    named = re.search(r"^license(?:_name)?:\s*(\S.*?)\s*$", header[1], re.MULTILINE) if header else None
    section = _section(text[header.end() :] if header else text)
    name = named[1] if named else "told in the card" if section else UNTOLD
    return Licence(name, section, f"https://huggingface.co/{repository}")


def _section(text: str) -> str:
    """What stands under a heading about the licence, up to the next heading; that one's own words too."""
    heading = r"^(?:#+|\*\*)[^\n]*\blicen[cs]e\b[^\n]*"
    found = re.search(rf"{heading}.*?(?=^#|\Z)", text, re.DOTALL | re.MULTILINE | re.IGNORECASE)
    return found[0].strip() if found else ""


def _told(repository: str, name: str, revision: str | None) -> HfFileMetadata:
    from huggingface_hub import get_hf_file_metadata, hf_hub_url

    return get_hf_file_metadata(hf_hub_url(repository, name, revision=revision))


@contextmanager
def _hub_errors(place: str, revision: str | None) -> Iterator[None]:
    """What the hub and its HTTP client say, who have no error in common, as ours."""
    from huggingface_hub.errors import GatedRepoError, RevisionNotFoundError

    try:
        yield
    except ModelError:
        raise
    except RevisionNotFoundError as error:
        fix = "--revision takes a commit, a branch or a tag; leave it out for the newest"
        raise UsageError(f"the repository has no revision {revision!r}", where=place, fix=fix) from error
    except GatedRepoError as error:
        fix = "ask for access on its page, then `hf auth login`"
        raise ModelError("its owners let in whom they know", where=place, fix=fix) from error
    except Exception as error:
        reason = next(iter(str(error).strip().splitlines()), "") or type(error).__name__
        raise ModelError(f"cannot be fetched ({reason})", where=place, fix=AGAIN) from error


def _bar(name: str, progress: Progress | None) -> type:
    """What the hub's client takes for a progress bar."""

    class Bar:
        def __init__(self, *, total: int | None = None, initial: int = 0, **_: object) -> None:
            self.n, self.total = initial, total or 0

        def __enter__(self) -> Bar:
            return self

        def __exit__(self, *_: object) -> None: ...

        def update(self, more: float | None = 1) -> None:
            self.n += int(more or 0)
            if progress is not None:
                progress(name, self.n, self.total)

        def __getattr__(self, _: str) -> Callable[..., None]:
            return lambda *_, **__: None  # what else bars can do

    return Bar
