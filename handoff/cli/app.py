"""The commands and their options. What they do stands in the modules beside this one, loaded when a command runs."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

# Typer reads annotations at run time, and `--help` must stay quick: nothing else is imported here.

Chosen = Annotated[
    str, typer.Argument(metavar="FLOW", help="module[:name], a path to a .py file, or an installed name")
]
Set = Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="initial metadata; JSON or text")]
Dep = Annotated[list[str] | None, typer.Option("--dep", metavar="KEY=VALUE", help="what the flow's tools borrow")]
ThreadId = Annotated[str | None, typer.Option("--thread", metavar="ID", help="the thread; a new one if left out")]
StoreFile = Annotated[Path | None, typer.Option("--store", metavar="FILE", dir_okay=False, help="keep threads in FILE")]
Json = Annotated[bool, typer.Option("--json", help="print one JSON object a line")]
Named = Annotated[str, typer.Argument(metavar="ID", help="THREAD/TICKET, or THREAD if one ticket can be meant")]
Kept = Annotated[Path, typer.Option("--store", metavar="FILE", exists=True, dir_okay=False, help="the file of threads")]
By = Annotated[str, typer.Option("--by", metavar="WHO", help="who decides")]
Driving = Annotated[str | None, typer.Option("--flow", metavar="FLOW", help="act on it at once, with this flow")]
Output = Annotated[str, typer.Option("--output", metavar="TEXT", help="the result, as the model reads it")]
Kind = Annotated[str | None, typer.Option("--backend", metavar="KIND", help="embedded, chat, responses or assistants")]
ModelName = Annotated[str | None, typer.Option("--model", metavar="NAME", help="the model at the server")]
BaseUrl = Annotated[str | None, typer.Option("--base-url", metavar="URL", help="where the server is, with its /v1")]
Known = Annotated[
    str | None, typer.Option("--profile", metavar="NAME", help="the server: openai, azure, llama.cpp, ollama, vllm")
]
KeyVariable = Annotated[
    str | None, typer.Option("--api-key-env", metavar="NAME", help="the environment variable that holds the API key")
]


class Format(Enum):
    """How a report is written."""

    TEXT = "text"  #: for people
    JSON = "json"  #: one object per flow
    GITHUB = "github"  #: annotations of a pull request


class Form(Enum):
    """How a picture is written."""

    MERMAID = "mermaid"  #: as GitHub draws it
    DOT = "dot"  #: for Graphviz
    SVG = "svg"  #: drawn by Graphviz
    TEXT = "text"  #: a table for people
    JSON = "json"  #: the table itself


class Shape(Enum):
    """How a stored thread is written."""

    TEXT = "text"  #: as people read it
    JSON = "json"  #: its events, one a line
    PYTEST = "pytest"  #: as a test


app = typer.Typer(
    name="handoff",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    epilog="Exit codes: 0 done, 1 the flow failed, 2 usage, 3 backend or configuration, 130 interrupted.",
)
threads = typer.Typer(
    help="Look into a store, and decide about its tickets.", no_args_is_help=True, rich_markup_mode=None
)
app.add_typer(threads, name="threads")


def _tell_version(wanted: bool) -> None:
    if wanted:
        from handoff import __version__  # noqa: PLC0415 - `--help` must stay quick

        typer.echo(f"handoff {__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=_tell_version, is_eager=True, help="say which one this is")
    ] = False,
) -> None:
    """Conversations as state machines: one thread, many assistants, and a declared way from one to the next."""
    del version  # told by then


@app.command()
def chat(
    flow: Chosen,
    metadata: Set = None,
    dep: Dep = None,
    thread: ThreadId = None,
    store: StoreFile = None,
    script: Annotated[
        Path | None, typer.Option("--script", metavar="FILE", help="one user message a line; # begins a comment")
    ] = None,
    backend: Kind = None,
    model: ModelName = None,
    base_url: BaseUrl = None,
    profile: Known = None,
    api_key_env: KeyVariable = None,
    json: Json = False,
) -> None:
    """Talk to a flow: at the terminal, or one message a line from a script or a pipe."""
    from handoff.cli import connecting, talking  # noqa: PLC0415 - loaded when it runs

    server = connecting.Server(backend, model, base_url, profile, api_key_env)
    options = talking.Options(flow, metadata or [], dep or [], thread, store, json, server)
    raise typer.Exit(talking.chat(options, script))


@app.command()
def run(
    flow: Chosen,
    text: Annotated[str, typer.Argument(metavar="TEXT", help="the user's message")],
    metadata: Set = None,
    dep: Dep = None,
    thread: ThreadId = None,
    store: StoreFile = None,
    backend: Kind = None,
    model: ModelName = None,
    base_url: BaseUrl = None,
    profile: Known = None,
    api_key_env: KeyVariable = None,
    json: Json = False,
) -> None:
    """Send one message and show what comes of it."""
    from handoff.cli import connecting, talking  # noqa: PLC0415 - loaded when it runs

    server = connecting.Server(backend, model, base_url, profile, api_key_env)
    options = talking.Options(flow, metadata or [], dep or [], thread, store, json, server)
    raise typer.Exit(talking.run_once(options, text))


@app.command()
def demo(
    directory: Annotated[
        Path | None, typer.Option("--dir", metavar="DIR", file_okay=False, help="keep the edited site in DIR")
    ] = None,
) -> None:
    """Watch the site editor at work on a copy of the sample site."""
    from handoff.cli import demo as demonstration  # noqa: PLC0415 - loaded when it runs

    raise typer.Exit(demonstration.demo(directory))


@app.command()
def init(
    directory: Annotated[
        Path, typer.Argument(metavar="[DIR]", file_okay=False, help="where; its name becomes that of the flow")
    ] = Path(),
) -> None:
    """Write a new project: a flow that runs offline, with tests that are green."""
    from handoff.cli import starting  # noqa: PLC0415 - loaded when it runs

    raise typer.Exit(starting.init(directory))


@app.command()
def sandbox(
    host: Annotated[str, typer.Option("--host", help="the address to listen on; off loopback a token is needed")] = (
        "127.0.0.1"
    ),
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="the port; 0 for any that is free")] = 8089,
    model: Annotated[str | None, typer.Option("--model", metavar="MODULE:OBJECT", help="who answers")] = None,
    faults: Annotated[str, typer.Option("--faults", metavar="LIST", help="what goes wrong: 429=0.1,slow=0.5,…")] = "",
    expire: Annotated[float, typer.Option("--expire", metavar="SECONDS", help="when a run expires")] = 600.0,
    token: Annotated[
        str | None, typer.Option("--token", envvar="HANDOFF_SANDBOX_TOKEN", help="the only API key that is taken")
    ] = None,
    webhook: Annotated[
        str | None, typer.Option("--webhook", metavar="URL", help="who is told of background responses")
    ] = None,
    secret: Annotated[
        str | None, typer.Option("--webhook-secret", envvar="HANDOFF_SANDBOX_WEBHOOK_SECRET", help="what signs that")
    ] = None,
) -> None:
    """Serve OpenAI's HTTP API locally: one that really locks, and fails as it is told to."""
    from handoff.cli import sandbox as serving  # noqa: PLC0415 - loaded when it runs

    options = serving.Options(host, port, model, faults, expire, token, webhook, secret)
    raise typer.Exit(serving.sandbox(options))


@app.command()
def doctor(
    base_url: BaseUrl = None,
    api_key_env: KeyVariable = None,
    model: ModelName = None,
    profile: Known = None,
    timeout: Annotated[
        float, typer.Option("--timeout", metavar="SECONDS", min=0.1, max=600, help="how long an answer may take")
    ] = 30.0,
    json: Json = False,
) -> None:
    """Ask a server what it can do: exit 0 if a backend fits, 3 if none does."""
    from handoff.cli import connecting  # noqa: PLC0415 - loaded when it runs
    from handoff.cli import doctor as examining  # noqa: PLC0415 - as above

    server = connecting.Server(None, model, base_url, profile, api_key_env)
    raise typer.Exit(examining.doctor(server, timeout, json=json))


@app.command()
def check(
    flows: Annotated[
        list[str], typer.Argument(metavar="FLOW...", help="module[:name], a path to a .py file, or an installed name")
    ],
    form: Annotated[Format, typer.Option("--format", help="how the report is written")] = Format.TEXT,
    given: Annotated[
        list[str] | None, typer.Option("--given", metavar="FIELD", help="metadata every thread is opened with")
    ] = None,
) -> None:
    """Verify flows without running them: exit 0 if nothing is found, 1 if something is."""
    from handoff.cli import checking  # noqa: PLC0415 - loaded when it runs

    raise typer.Exit(checking.check_flows(flows, given or [], form.value))


@app.command()
def graph(
    flow: Chosen,
    form: Annotated[Form, typer.Option("-f", "--format", help="how the picture is written")] = Form.MERMAID,
    thread: Annotated[
        str | None, typer.Option("--thread", metavar="ID", help="show where this thread is, and its way there")
    ] = None,
    store: Annotated[
        Path | None, typer.Option("--store", metavar="FILE", exists=True, dir_okay=False, help="the file it lives in")
    ] = None,
) -> None:
    """Draw a flow, perhaps with the way one thread has come."""
    from handoff.cli import graph as drawing  # noqa: PLC0415 - loaded when it runs

    raise typer.Exit(drawing.graph(flow, form.value, thread, store))


@app.command()
def cover(
    flow: Chosen,
    store: StoreFile = None,
    thread: Annotated[
        list[str] | None, typer.Option("--thread", metavar="ID", help="look at this one only; may be repeated")
    ] = None,
    script: Annotated[
        list[Path] | None,
        typer.Option("--script", metavar="FILE", help="play it first, on a thread of its own; may be repeated"),
    ] = None,
    fail_under: Annotated[
        list[str] | None,
        typer.Option("--fail-under", metavar="[KIND=]PERCENT", help="end with 1 below that, of transitions or KIND"),
    ] = None,
    diagram: Annotated[
        Path | None, typer.Option("--diagram", metavar="FILE", help="draw the flow, what was missed in red")
    ] = None,
    metadata: Set = None,
    dep: Dep = None,
    backend: Kind = None,
    model: ModelName = None,
    base_url: BaseUrl = None,
    profile: Known = None,
    api_key_env: KeyVariable = None,
    json: Json = False,
) -> None:
    """Measure how much of a flow the threads of a store have exercised, or scripts that are played for it."""
    from handoff.cli import connecting, talking  # noqa: PLC0415 - loaded when it runs
    from handoff.cli import cover as covering  # noqa: PLC0415 - as above

    server = connecting.Server(backend, model, base_url, profile, api_key_env)
    options = talking.Options(flow, metadata or [], dep or [], None, store, json, server)
    measure = covering.Measure(options, thread or [], script or [], fail_under or [], diagram)
    raise typer.Exit(covering.cover(measure))


@app.command()
def trace(
    thread: Annotated[str, typer.Argument(metavar="ID", help="the thread")],
    store: Kept,
    shape: Annotated[Shape, typer.Option("--as", help="how it is written")] = Shape.TEXT,
    flow: Annotated[
        str | None, typer.Option("--flow", metavar="FLOW", help="where a test imports the flow from")
    ] = None,
    against: Annotated[
        str | None, typer.Option("--against", metavar="FLOW", help="show where this flow would decide otherwise")
    ] = None,
) -> None:
    """Print a stored thread, write a test of it, or put it to a changed flow: exit 1 where that would differ."""
    from handoff.cli import trace as tracing  # noqa: PLC0415 - loaded when it runs

    if against is not None:
        if shape is Shape.PYTEST:
            raise typer.BadParameter("--against compares, --as pytest writes a test: give one of them")
        raise typer.Exit(tracing.against(thread, store, against, json=shape is Shape.JSON))
    raise typer.Exit(tracing.trace(thread, store, shape.value, flow))


@threads.command("ls")
def list_threads(
    store: Kept,
    limit: Annotated[int | None, typer.Option("--limit", metavar="N", min=1, help="no more than N")] = None,
    json: Json = False,
) -> None:
    """List the threads of a store, the latest first."""
    from handoff.cli import stored  # noqa: PLC0415 - loaded when it runs

    raise typer.Exit(stored.list_threads(store, limit=limit, json=json))


@threads.command("show")
def show_thread(
    thread: Annotated[str, typer.Argument(metavar="ID", help="the thread")], store: Kept, json: Json = False
) -> None:
    """Show a thread: where it stands, what happened on it, and what waits."""
    from handoff.cli import stored  # noqa: PLC0415 - loaded when it runs

    raise typer.Exit(stored.show_thread(store, thread, json=json))


@threads.command("delete")
def delete_thread(
    thread: Annotated[str, typer.Argument(metavar="ID", help="the thread")],
    store: Kept,
    yes: Annotated[bool, typer.Option("--yes", help="do not ask")] = False,
    json: Json = False,
) -> None:
    """Delete a thread for good, with its side rooms; not what a server holds of it."""
    from handoff.cli import stored  # noqa: PLC0415 - loaded when it runs

    raise typer.Exit(stored.delete_thread(store, thread, ask=not yes, json=json))


@threads.command()
def approve(ticket: Named, store: Kept, by: By = "", flow: Driving = None, dep: Dep = None, json: Json = False) -> None:
    """Let a call that waits for approval run."""
    from handoff.cli import stored  # noqa: PLC0415 - loaded when it runs

    order = stored.Order("approve", ticket, store, by=by, flow=flow, deps=dep or [], json=json)
    raise typer.Exit(stored.carry_out(order))


@threads.command()
def refuse(
    ticket: Named,
    store: Kept,
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", help="why, as the model reads it")] = "",
    by: By = "",
    flow: Driving = None,
    dep: Dep = None,
    json: Json = False,
) -> None:
    """Refuse a call that waits for approval; it never runs."""
    from handoff.cli import stored  # noqa: PLC0415 - loaded when it runs

    order = stored.Order("refuse", ticket, store, reason=reason, by=by, flow=flow, deps=dep or [], json=json)
    raise typer.Exit(stored.carry_out(order))


@threads.command()
def resolve(
    ticket: Named, store: Kept, output: Output, by: By = "", flow: Driving = None, dep: Dep = None, json: Json = False
) -> None:
    """Deliver the result of a call that waits for the world."""
    from handoff.cli import stored  # noqa: PLC0415 - loaded when it runs

    order = stored.Order("resolve", ticket, store, output=output, by=by, flow=flow, deps=dep or [], json=json)
    raise typer.Exit(stored.carry_out(order))


@threads.command()
def settle(
    ticket: Named,
    store: Kept,
    output: Output,
    happened: Annotated[bool, typer.Option("--happened/--not-happened", help="whether the call took effect")] = True,
    by: By = "",
    flow: Driving = None,
    dep: Dep = None,
    json: Json = False,
) -> None:
    """Say what became of a call whose outcome is unknown."""
    from handoff.cli import stored  # noqa: PLC0415 - loaded when it runs

    order = stored.Order(
        "settle", ticket, store, output=output, happened=happened, by=by, flow=flow, deps=dep or [], json=json
    )
    raise typer.Exit(stored.carry_out(order))
