"""ethopose models: what can be built, and whose models run."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

import typer
from typer import Argument, Option

from ethopose.cli.screen import Screen
from ethopose.core import UsageError


def add_to(app: typer.Typer) -> None:
    """Enter the command."""
    app.command()(models)


def models(
    context: typer.Context,
    action: Annotated[str, Argument(help="list: what there is.")] = "list",
    local: Annotated[
        bool, Option("--local", help="Only what can be built here: backbones, necks, heads, losses.")
    ] = False,
) -> None:
    """List the parts that a model can be made of, with their options and defaults.

    Example: ethopose models list --local
    """
    from ethopose.models.menu import encoders, menu

    if action != "list":
        raise UsageError(f"models cannot {action!r}", fix="ethopose models list")
    screen: Screen = context.obj
    offers, timm = menu(), encoders()
    data: dict[str, Any] = {"parts": [asdict(offer) for offer in offers], "timm": asdict(timm)}
    rows = [
        (f"{offer.kind} {offer.name}", "\n".join(filter(None, (offer.text, _options(offer.options)))))
        for offer in offers
    ]
    named = ", ".join(f"{name} ({millions:g} M)" for name, millions in timm.recommended.items())
    rows.append(("timm", f"{timm.number} encoders, such as {named}; parameters without classifier"))
    if not local:
        from ethopose.families import FAMILIES

        data["families"] = [family.name for family in FAMILIES]
        rows.append(("families", f"model folders of {', '.join(data['families'])} load as they are"))
    screen.give(data, rows)


def _options(options: dict[str, Any]) -> str:
    return ", ".join(f"{name}={default}" for name, default in options.items())
