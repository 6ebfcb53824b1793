"""ethopose models: what can be built, whose models run, and which can be fetched."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer import Argument, Option

from ethopose.cli.screen import Progress, Screen
from ethopose.core import UsageError

if TYPE_CHECKING:
    from ethopose.families.superanimal import Licence

UNTOLD = "The card of these weights tells no licence: ask its authors what you may use them for."


def add_to(app: typer.Typer) -> None:
    """Enter the command."""
    app.command()(models)


def models(
    context: typer.Context,
    action: Annotated[str, Argument(help="list: what there is; get: fetch a model.")] = "list",
    name: Annotated[
        str | None, Argument(help="The model to fetch, as list tells it.", show_default=False)
    ] = None,
    local: Annotated[
        bool, Option("--local", help="Only what can be built here: backbones, necks, heads, losses.")
    ] = False,
    out: Annotated[
        Path | None, Option("-o", "--out", help="The folder to write; of the model's name if left out.")
    ] = None,
    detector: Annotated[str | None, Option(help="What finds the animals; the usual one if left out.")] = None,
    animals: Annotated[int | None, Option(help="Animals a frame at most; 10 if left out.")] = None,
    revision: Annotated[
        str | None, Option(help="A commit, branch or tag of the repository; the newest if left out.")
    ] = None,
    accept_license: Annotated[
        bool, Option("--accept-license", help="You have read the licence of the weights and agree to it.")
    ] = False,
) -> None:
    """List the parts that a model can be made of and the models that can be fetched, or fetch one.

    Example: ethopose models list --local

    Example: ethopose models get superanimal_topviewmouse_hrnet_w32 -o mouse
    """
    screen: Screen = context.obj
    choice = {"detector": detector, "animals": animals, "revision": revision}
    if action == "list":
        told: dict[str, object] = {"NAME": name, "-o": out, "--accept-license": accept_license or None}
        told |= {f"--{option}": value for option, value in choice.items()}
        for option, value in told.items():
            if value is not None:
                raise UsageError(f"{option} is of no use to a list", fix="ethopose models get NAME")
        _list(screen, local=local)
        return
    if action != "get" or local:
        raise UsageError(f"models cannot {action!r}" + " --local" * local, fix="ethopose models list")
    if name is None:
        raise UsageError("no model is named", fix="ethopose models list tells their names")
    _get(screen, name, out, accepted=accept_license, **choice)


def _get(screen: Screen, name: str, out: Path | None, *, accepted: bool, **choice: Any) -> None:
    from ethopose.families.superanimal import get

    with ExitStack() as bars:
        shown: list[Progress] = []

        def agree(licence: Licence) -> bool:
            if not _agreed(screen, licence, accepted=accepted):
                return False
            shown.append(bars.enter_context(screen.progress("MB")))  # not before the question
            return True

        folder = get(
            name,
            out,
            agree=agree,
            progress=lambda file, done, total: shown[0](file, done // 10**6, total // 10**6),
            **{option: value for option, value in choice.items() if value is not None},
        )
    screen.report({"model": str(folder)}, [("model", str(folder))])


def _agreed(screen: Screen, licence: Licence, *, accepted: bool) -> bool:
    """Whether the user agrees, who has seen what there is to agree to."""
    if not (screen.quiet and accepted):
        text = licence.text or ("" if licence.told else UNTOLD)
        said = f"licence of the weights: {licence.name} ({licence.url})", text
        sys.stderr.write("\n\n".join(filter(None, said)) + "\n\n")
    if accepted:
        return True
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise UsageError(
            "the licence of the weights is to be agreed to, and nobody is here to ask",
            where=licence.url,
            fix="read it, then --accept-license",
        )
    return typer.confirm("Do you agree to it?", err=True)


def _list(screen: Screen, *, local: bool) -> None:
    from ethopose.models.menu import encoders, menu

    offers, timm = menu(), encoders()
    data: dict[str, Any] = {"parts": [asdict(offer) for offer in offers], "timm": asdict(timm)}
    rows = [
        (f"{offer.kind} {offer.name}", "\n".join(filter(None, (offer.text, _options(offer.options)))))
        for offer in offers
    ]
    named = ", ".join(f"{name} ({millions:g} M)" for name, millions in timm.recommended.items())
    rows.append(("timm", f"{timm.number} encoders, such as {named}; parameters without classifier"))
    if not local:
        data |= _elsewhere(rows)
    screen.give(data, rows)


def _elsewhere(rows: list[tuple[str, str]]) -> dict[str, Any]:
    """What is not built here: models of other tools, and those that can be fetched."""
    from ethopose.families import FAMILIES
    from ethopose.families.superanimal import offers

    families = [family.name for family in FAMILIES]
    rows.append(("families", f"model folders of {', '.join(families)} load as they are"))
    for name, offer in offers().items():
        text = f"{len(offer.keypoints)} keypoints; detectors {', '.join(offer.detectors)}; {offer.repository}"
        rows.append((f"get {name}", text))
    return {"families": families, "get": [{"name": name} | asdict(each) for name, each in offers().items()]}


def _options(options: dict[str, Any]) -> str:
    return ", ".join(f"{name}={default}" for name, default in options.items())
