"""ethopose track: who is who in a result."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from typer import Argument, Option

from ethopose.cli.screen import Screen
from ethopose.core import UsageError


def add_to(app: typer.Typer) -> None:
    """Enter the command."""
    app.command()(track)


def track(
    context: typer.Context,
    source: Annotated[
        Path, Argument(help="A result folder, or a file of poses of another tool.", show_default=False)
    ],
    out: Annotated[
        Path | None, Option("-o", "--out", help="The result to write; beside the source if left out.")
    ] = None,
    animals: Annotated[
        int | None,
        Option("-n", "--animals", min=1, help="How many there are; as many tracks at most go through all."),
    ] = None,
    method: Annotated[
        str | None,
        Option(
            help="ethopose if left out; of DeepLabCut ellipse, box, skeleton; of sleap-nn simple, flow, "
            "sort, bytetrack, ocsort."
        ),
    ] = None,
    option: Annotated[
        list[str] | None,
        Option("--option", metavar="NAME=VALUE", help="Of another tool's --method, by its own name; repeat."),
    ] = None,
    step: Annotated[
        str | None,
        Option(help="tracklets: pieces without joins; stitch: joins of tracks that are there; else both."),
    ] = None,
    format: Annotated[
        list[str] | None,
        Option(help="Files beside the result: dlc (what DeepLabCut writes of tracks), slp, csv ...; repeat."),
    ] = None,
    appearance: Annotated[
        str | None,
        Option(
            help="Tell animals apart by their looks too, learned from the video: crop (pictures of them), "
            "keypoints (vectors of predict --features), both, none; keypoints if left out and there."
        ),
    ] = None,
    video: Annotated[
        Path | None,
        Option(help="Where its video lies: of a file of poses; for --review, flow and crop, if moved."),
    ] = None,
    redo: Annotated[bool, Option("--redo", help="Find tracks anew where there are some.")] = False,
    overwrite: Annotated[bool, Option("--overwrite", help="Replace what is there.")] = False,
    review: Annotated[
        bool,
        Option(
            "--review",
            help="List the unsure joins, with clips; of the tracks that are there, if they will do.",
        ),
    ] = False,
    clips: Annotated[
        int | None, Option(min=0, help="With --review: so many clips at most; 20 if left out.")
    ] = None,
) -> None:
    """Identities: which pose is which animal, through crossings and gaps, and how sure that is.

    Example: ethopose track clip.mp4.mice.ethopose --animals 3 --review
    """
    if clips is not None and not review:
        raise UsageError("--clips is of no use without --review", fix="add it, or leave --clips out")
    if review and step == "tracklets":
        raise UsageError("--review is of no use for tracklets: none are joined", fix="leave it out")
    import ethopose
    from ethopose import reid
    from ethopose.store import UNSURE, is_result

    told: dict[str, Any] = {"animals": animals, "method": method, "appearance": appearance, "step": step}
    told |= {"options": _options(option) if option else None, "format": format or None, "redo": redo or None}
    asked = {name: value for name, value in told.items() if value is not None}
    screen: Screen = context.obj
    find = reid.tracked if review else ethopose.track
    with screen.progress() as bar:
        tracked = find(source, out, video=video, overwrite=overwrite, progress=bar, **asked)
        if review:
            moved, most = video if is_result(source) else None, 20 if clips is None else clips
            doubts = ethopose.review(tracked, video=moved, clips=most, overwrite=overwrite, progress=bar)
    joins = tracked.joins
    unsure = int(joins.unsure.sum())
    noted = tracked.manifest.provenance.get("tracked")
    notes: dict[str, Any] = noted if isinstance(noted, dict) else {}
    left = notes.get("without_track", 0)
    data: dict[str, Any] = {
        "result": str(tracked.path),
        "tracks": list(tracked.tracks),
        "joins": len(joins),
        "unsure_joins": unsure,
        "without_track": left,
    }
    rows = [
        ("result", str(tracked.path)),
        ("tracks", _names(tracked.tracks)),
    ]
    if left:
        rows.append(("left out", f"{left:,} of {len(tracked):,} animals in frames have no track"))
    if len(joins):
        rows.append(("joins", f"{len(joins)}, of which {unsure} are unsure (less than {UNSURE:.0%})"))
    if looks := notes.get("appearance"):
        data |= {"appearance": looks}
        rows.append(("looks", _said(looks)))
    if review:
        data |= {"review": str(doubts.path), "clips": len(doubts.clips)}
        rows.append(("review", f"{doubts.path} (a list and {len(doubts.clips)} clips)"))
    if files := [str(tracked.path.with_name(name)) for name in tracked.manifest.exports if format]:
        data["files"] = files
        rows.append(("files", "\n".join(files)))
    screen.report(data, rows)


def _said(looks: dict[str, Any]) -> str:
    auc = looks["told_apart"]
    if auc is None:
        return f"{looks['kind']}: too few animals at one time to learn from; not used"
    end = "used" if looks["used"] else "not used: too little to tell animals apart"
    return f"{looks['kind']}: pieces of tracks are told apart in {auc:.1%} of cases; {end}"


def _options(told: list[str]) -> dict[str, str]:
    for each in told:
        if "=" not in each:
            raise UsageError(f"--option {each}", fix="write it NAME=VALUE")
    pairs = (each.partition("=") for each in told)
    return {name.strip().replace("-", "_"): value.strip() for name, _, value in pairs}


def _names(tracks: tuple[str, ...]) -> str:
    return ", ".join(tracks) if len(tracks) <= 12 else f"{len(tracks)}"
