"""`handoff doctor`: asks a server what it can do, and says which backend fits, with which options."""

from __future__ import annotations

import asyncio
import shlex

from handoff import ConfigurationError
from handoff.cli.connecting import Server, key_in
from handoff.cli.exits import Exit
from handoff.cli.printing import Screen, clean, notice, write, write_json
from handoff.doctor import Report, examine

MARKS = {True: "yes", False: "no", None: "?"}
STYLES = {True: "green", False: "dim", None: "yellow"}


def doctor(server: Server, seconds: float, *, json: bool) -> Exit:
    """Examine a server and print what was found.

    Args:
        server: where it is, which model is asked, and where the key is.
        seconds: how long each answer may take.
        json: whether it is printed as a JSON object.

    Returns:
        `Exit.CONFIGURATION` if no backend fits.

    Raises:
        ConfigurationError: no address is known, or it cannot be one.
    """
    from handoff import Connection  # noqa: PLC0415 - settings are slow to import

    known = {"base_url": server.base_url, "model": server.model, "profile": server.profile}
    connection = Connection(backend="chat", api_key=key_in(server.key_variable), **known)
    if connection.address is None:
        raise ConfigurationError("doctor needs a server: give --base-url URL")
    key = connection.key
    secret = None if key is None else key.get_secret_value()
    report = asyncio.run(examine(connection.address, api_key=secret, model=connection.model, seconds=seconds))
    if json:
        write_json(report.as_json())
    else:
        _show(report)
    if report.problem:
        notice(f"{report.base_url}: {report.problem}")
    return Exit.CONFIGURATION if report.problem else Exit.DONE


def _show(report: Report) -> None:
    if not report.findings:
        return
    screen = Screen(())
    known = f", known as {report.profile}" if report.profile else ""
    asked = f": {report.model} was asked" if report.model else ""
    screen.line(f"{report.base_url}{known}{asked}", "bold")
    width = max(len(one.probe) for one in report.findings)
    for one in report.findings:
        screen.line(f"  {one.probe.ljust(width)}  {MARKS[one.able]:3}  {one.seen}", STYLES[one.able])
    for fit in report.fits:
        screen.line(f"{fit.backend} fits" + (f", but {fit.note}" if fit.note else ""), "bold green")
        settings = " ".join((*fit.settings, "handoff chat FLOW"))
        write(clean(f"  {settings} {shlex.join(fit.options)}\n"))
