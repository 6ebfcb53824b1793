"""What is to be done: videos, the model for each, and where results go; in an order that never changes."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args, get_type_hints

from ethopose.core import UsageError
from ethopose.families import Model, load
from ethopose.media import find_videos, is_drawn
from ethopose.predict import Options
from ethopose.predict.names import result_path
from ethopose.predict.options import options_from
from ethopose.predict.ways import WAYS

if TYPE_CHECKING:
    from ethopose.track import Tracking

TABLES, LISTS = (".csv", ".tsv"), (".txt", ".list")
WILD = "*?["
DECIDING = (
    "peak_threshold",
    "max_instances",
    "track",
    "animals",
    "frames",
    "cropping",
    "detections",
    "features",
    "batch_size",
    "detector_batch_size",
    "runtime",
    "precision",
    *WAYS,
)
OWN_COLUMNS = ("video", "model", "recording")
OF_THE_RUN = ("device", "strict")  # options that are none of a row's
KINDS = {option: set(get_args(kind) or (kind,)) for option, kind in get_type_hints(Options).items()}


@dataclass(frozen=True, slots=True)
class Recipe:
    """A model and how to predict with it."""

    model: tuple[Path, ...]
    options: Options
    name: str  # by which results are named
    digest: str  # of the model
    keypoints: int  # of an animal
    result_formats: tuple[str, ...]  # of the model's own tool
    tracking: Tracking | None = None  # how its poses are tracked, if they are

    @property
    def engine(self) -> tuple[object, ...]:
        """What of it has to be loaded and compiled."""
        told = self.options
        how = told.peak_threshold, told.max_instances, told.cropping, told.batch_size, told.way
        return (self.model, told.compute, *how, told.detections, told.vectors, told.detector_batch_size)

    @property
    def record(self) -> dict[str, Any]:
        """What of it decides the numbers, as a run remembers it."""
        return {"model": self.digest, **{name: getattr(self.options, name) for name in DECIDING}}

    def threaded(self, threads: int) -> Recipe:
        """The same on so many CPU threads."""
        return replace(self, options=replace(self.options, threads=threads))

    def on(self, device: str) -> Recipe:
        """The same on a device."""
        return replace(self, options=replace(self.options, device=device))


@dataclass(frozen=True, slots=True)
class Entry:
    """A recording to be predicted."""

    name: str  # its first video, or the recording that its segments make
    videos: tuple[Path, ...]
    recipe: int
    result: Path


@dataclass(frozen=True, slots=True)
class Plan:
    """All recordings, in order."""

    entries: tuple[Entry, ...]
    recipes: tuple[Recipe, ...]

    def share(self, index: int, number: int) -> Plan:
        """Each `number`-th entry from the `index`-th on, counted from 1."""
        return replace(self, entries=self.entries[index - 1 :: number])


@dataclass(frozen=True, slots=True)
class Row:
    """A line of a table, or one of the videos of a folder."""

    video: Path
    model: tuple[Path, ...] = ()
    recording: str = ""
    options: dict[str, Any] = field(default_factory=dict)


def make_plan(
    sources: Sequence[str | Path],
    model: Sequence[Path],
    options: Options,
    *,
    match: str = "*",
    types: Sequence[str] = (),
) -> Plan:
    """The plan of videos, folders, patterns, lists (`.txt`: a path a line) and tables (`.csv`: columns video,
    model, recording, and any option of predict).

    `match` and `types` choose among the videos of folders. Rows of one `recording` are its segments in order.

    Raises:
        UsageError: a source is missing or no table, a row has no model, two results would have one place.
    """
    rows = list(_unlike(row for source in sources for row in _rows(source, match, types)))
    if not rows:
        raise UsageError("no video was named", fix="name videos, folders, patterns, a list or a table")
    recipes = Recipes()
    groups: dict[tuple[str, str], list[Row]] = {}
    for number, row in enumerate(rows):
        groups.setdefault((row.recording, "" if row.recording else str(number)), []).append(row)
    several = len(groups) > 1 or [Path(source).absolute() for source in sources] != [rows[0].video]
    entries = [_entry(group, model, options, recipes, several=several) for group in groups.values()]
    return Plan(tuple(_apart(entries, recipes.all())), recipes.all())


def _unlike(rows: Iterable[Row]) -> Iterator[Row]:
    """Each row once; paths are told in full, so that a run is the same from wherever it is started."""
    seen = set()
    for row in rows:
        whole = replace(row, video=row.video.absolute())
        if row.recording and Path(row.recording).name != row.recording:
            raise UsageError(f"{row.recording!r} is no name of a recording", fix="leave out slashes")
        if (key := repr(whole)) not in seen or row.recording:
            seen.add(key)
            yield whole


def _rows(source: str | Path, match: str, types: Sequence[str]) -> Iterator[Row]:
    path = Path(source)
    if path.suffix.lower() in TABLES and path.is_file():
        yield from _table(path)
    elif path.suffix.lower() in LISTS and path.is_file():
        lines = (line.strip() for line in _text(path).splitlines())
        yield from (Row(_placed(line, path.parent)) for line in lines if line and not line.startswith("#"))
    elif not path.exists() and any(sign in str(source) for sign in WILD):
        anchor = Path(path.anchor) if path.is_absolute() else Path()
        found = [each for each in sorted(anchor.glob(str(path.relative_to(anchor)))) if not is_drawn(each)]
        if not found:
            raise UsageError("no video is named like this", where=source, fix="check the pattern")
        yield from map(Row, find_videos(found, match=match, types=types))
    else:
        yield from map(Row, find_videos([path], match=match, types=types))


def _table(path: Path) -> Iterator[Row]:
    reader = csv.DictReader(io.StringIO(_text(path)), delimiter="\t" if path.suffix == ".tsv" else ",")
    known = (*OWN_COLUMNS, *(name for name in KINDS if name not in OF_THE_RUN))
    columns = reader.fieldnames or []
    for name in columns:
        if name not in known:
            raise UsageError(f"no column is named {name!r}", where=path, fix=f"choose {', '.join(known)}")
    if "video" not in columns:
        raise UsageError(
            "the table has no column `video`", where=path, fix="name the columns in its first line"
        )
    for cells in reader:
        told = {name: text.strip() for name, text in cells.items() if name and text and text.strip()}
        if "video" not in told:
            raise UsageError(f"line {reader.line_num} names no video", where=path)
        models = tuple(_placed(name, path.parent) for name in told.get("model", "").split(";") if name)
        options = {name: _value(name, text) for name, text in told.items() if name not in OWN_COLUMNS}
        if "out" in options:
            options["out"] = path.parent / told["out"]
        yield Row(_placed(told["video"], path.parent), models, told.get("recording", ""), options)


def _value(name: str, text: str) -> Any:
    """A cell as the option wants it; what it cannot be is told by the option itself."""
    if name == "format":
        return tuple(text.split(";"))
    if bool in KINDS[name]:
        if text.lower() not in ("true", "false"):
            raise UsageError(f"{name} is {text!r} in a table", fix="write true or false")
        return text.lower() == "true"
    for kind in (int, float):
        if kind in KINDS[name]:
            with suppress(ValueError):
                return kind(text)
    return text


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"no list of videos ({error})", where=path) from error


def _placed(name: str, folder: Path) -> Path:
    """A path of a list: from the list's own folder where it is there, else from here."""
    return folder / name if (folder / name).exists() or not Path(name).exists() else Path(name)


class Recipes:
    """The models and options that rows ask for, each once; models are loaded to see that they can be."""

    def __init__(self) -> None:
        self._known: dict[tuple[tuple[Path, ...], str], Recipe] = {}
        self._models: dict[tuple[tuple[Path, ...], bool], Model] = {}

    def __call__(self, models: tuple[Path, ...], options: Options) -> int:
        """The number of a recipe. Raises ModelError for a model that cannot be read."""
        if options.conditions is not None:
            raise UsageError("conditions are of one video, and a run is of many", fix="use ethopose predict")
        key, whose = (models, repr(replace(options, out=None))), (models, options.crops_only)
        if key not in self._known:
            if whose not in self._models:
                how = {"crops_only": options.crops_only, "trust_code": options.trust_code}
                self._models[whose] = load(models, **how)
            model = self._models[whose]
            spec, keypoints = model.spec, len(model.spec.skeleton.keypoints)
            formats, tracking = options.formats(spec), options.tracking(spec)
            recipe = Recipe(models, options, spec.name, model.digest, keypoints, formats, tracking)
            self._known[key] = recipe
        return list(self._known).index(key)

    def all(self) -> tuple[Recipe, ...]:
        """In order of their numbers."""
        return tuple(self._known.values())


def _entry(
    rows: Sequence[Row], model: Sequence[Path], options: Options, recipes: Recipes, *, several: bool
) -> Entry:
    row = rows[0]
    if any((each.model, each.options) != (row.model, row.options) for each in rows):
        raise UsageError(f"the segments of {row.recording} differ in model or options", where=row.video)
    models = tuple(path.absolute() for path in row.model or model)
    if not models:
        raise UsageError("no model is named for it", where=row.video, fix="give -m, or a column `model`")
    given = {each.name: getattr(options, each.name) for each in fields(Options)}
    merged = options_from({**given, **row.options}) if row.options else options
    recipe = recipes(models, merged)
    named = row.video.with_name(row.recording) if row.recording else row.video
    out = None if merged.out is None else Path(merged.out).absolute()
    place = result_path(named, recipes.all()[recipe].name, out, several=several and "out" not in row.options)
    return Entry(str(named), tuple(row.video for row in rows), recipe, place)


def _apart(entries: Sequence[Entry], recipes: Sequence[Recipe]) -> list[Entry]:
    """Entries by names of their own: of one video by several models, each tells its model too; by one model
    with several options, its result.

    Raises:
        UsageError: two results would have one place.
    """
    places: dict[Path, Entry] = {}
    for entry in entries:
        twin = places.setdefault(entry.result, entry)
        if twin is not entry:
            what = f"{twin.name} and {entry.name} would have one result"
            raise UsageError(what, where=entry.result, fix="leave out -o, or give each an `out` in a table")
    by_model = _told(entries, lambda entry: recipes[entry.recipe].name)
    return _told(by_model, lambda entry: str(entry.result))


def _told(entries: Sequence[Entry], more: Callable[[Entry], str]) -> list[Entry]:
    """The same, with more in the names that several have."""
    often = Counter(entry.name for entry in entries)
    return [
        replace(entry, name=f"{entry.name} ({more(entry)})") if often[entry.name] > 1 else entry
        for entry in entries
    ]
