"""ethopose doctor: is all well on this machine?"""

from __future__ import annotations

import typer

from ethopose.cli.screen import Screen
from ethopose.core import ExitCode

SIGNS = {"ok": "✓", "note": "·", "problem": "✗"}


def add_to(app: typer.Typer) -> None:
    """Enter the command."""
    app.command()(doctor)


def doctor(context: typer.Context) -> int:
    """Tell versions, devices, codecs and caches, what is wrong with them, and how to mend it.

    Example: ethopose doctor
    """
    from dataclasses import asdict

    from ethopose.about import examine

    screen: Screen = context.obj
    with screen.waiting("looking at this machine"):
        findings = examine()
    rows = [
        (
            f"{SIGNS[finding.state]} {finding.topic}",
            finding.text + (f"\nfix: {finding.fix}" if finding.fix else ""),
        )
        for finding in findings
    ]
    screen.give([asdict(finding) for finding in findings], rows)
    return ExitCode.FAILED if any(finding.state == "problem" for finding in findings) else ExitCode.DONE
