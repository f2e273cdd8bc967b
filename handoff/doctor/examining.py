"""The examination: is it there, whose is it, and does each backend get an answer, a call and a second answer from it.

Chat and Responses are asked by the backends themselves, so what works here works in a flow. Whatever is made on the
server for a probe is deleted again.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

from handoff.backends.credentials import checked_address, checked_key
from handoff.backends.profiles import Profile, profile_of
from handoff.backends.wire import listed, mapping
from handoff.clock import Clock, SystemClock
from handoff.doctor.asking import Asker, Reply, Unreachable
from handoff.doctor.probing import conversations_probe, lock_probe, protocol_probe, restricted_probe, stored_probe
from handoff.doctor.report import Finding, Fit, Report

#: Seconds an answer may take.
SECONDS = 30.0
#: How many models are named to people.
NAMED = 5


async def examine(
    base_url: str,
    *,
    api_key: str | None = None,
    model: str | None = None,
    seconds: float = SECONDS,
    clock: Clock | None = None,
) -> Report:
    """Find out what a server can do, by thirty requests at most.

    Args:
        base_url: where it is, with its `/v1`.
        api_key: what opens it.
        model: the model to ask; by default the first one it lists.
        seconds: how long each answer may take.
        clock: the time, for waits.

    Raises:
        ConfigurationError: the address or the key cannot be one.
    """
    checked_address(base_url)
    checked_key(api_key)
    base_url = base_url.rstrip("/")
    async with Asker(base_url, api_key, seconds) as asker:
        report = Report(base_url, model=model)
        try:
            models = await asker.ask("GET", "/models")
        except Unreachable as error:
            return replace(
                report, problem=f"nothing answers there ({error}): is the server running, and the port right?"
            )
        report = await _known(asker, report, models)
        if report.problem:
            return report
        if report.model is None:
            return replace(report, problem="it lists no model: name one with --model")
        try:
            return await _examined(asker, report, api_key, seconds, clock or SystemClock())
        except Unreachable as error:
            return replace(report, problem=f"it stopped answering ({error})")


async def _known(asker: Asker, report: Report, models: Reply) -> Report:
    """Judge the first answer: whether there is an API at all, and whose."""
    if models.closed:
        why = f"the key was refused ({models.trouble}): put the right one in the variable that --api-key-env names"
        return replace(report, problem=why)
    if not models.fine:
        advice = await _advice(report.base_url, asker, models)
        if advice or not models.data:
            advice = advice or "the base URL has to be the one of an API, usually with /v1 at its end"
            return replace(report, problem=f"{models.trouble}: {advice}")
    entries = [mapping(one) for one in listed(models.data.get("data"))]
    names = tuple(str(one["id"]) for one in entries if one.get("id"))
    known = profile_of(report.base_url, frozenset(str(one.get("owned_by")) for one in entries))
    some = ", ".join(names[:NAMED]) + (", …" if len(names) > NAMED else "")
    seen = models.trouble or (f"{len(names)} model{'s' * (len(names) != 1)}: {some}" if names else "an empty list")
    return replace(
        report,
        profile=None if known is None else known.name,
        models=names,
        model=report.model or next(iter(names), None),
        findings=(Finding("list of models", bool(names), seen),),
    )


async def _advice(base_url: str, asker: Asker, models: Reply) -> str:
    """What to write instead of the base URL, if that can be told."""
    if models.redirected:
        return "name the place it redirects to as the base URL"
    if "v1" not in urlsplit(base_url).path:
        try:
            below = await asker.ask("GET", "/v1/models")
        except Unreachable:
            return ""
        if below.fine or below.closed:
            return f"the API is at {base_url}/v1"
    return ""


async def _examined(asker: Asker, report: Report, api_key: str | None, seconds: float, clock: Clock) -> Report:
    from handoff.backends.chat import Chat  # noqa: PLC0415 - only where a server is examined
    from handoff.backends.responses import Responses  # noqa: PLC0415 - as above

    assert report.model is not None
    options: dict[str, Any] = {
        "base_url": report.base_url,
        "api_key": api_key or "none",
        "timeout": seconds,
        "clock": clock,
    }
    findings, fits = list(report.findings), list[Fit]()
    chat = Chat(report.model, profile=report.profile, **options)
    spoken = await protocol_probe("chat", chat, clock, seconds)
    findings += spoken.findings
    findings += _differences(chat.profile) if spoken.works else []
    if spoken.works:
        findings.append(await restricted_probe(asker, "chat", report.model))
        fits.append(_fit("chat", report, note=spoken.note))
    whole = Responses(report.model, history="own", **options)
    spoken = await protocol_probe("responses", whole, clock, seconds)
    findings += spoken.findings
    if spoken.works:
        chained = await stored_probe(asker, report.model)
        findings += [chained, await conversations_probe(asker)]
        findings.append(await restricted_probe(asker, "responses", report.model))
        setting = f"HANDOFF_HISTORY={'chain' if chained.able else 'own'}"
        fits.append(_fit("responses", report, settings=(setting,), note=spoken.note))
    locked = await lock_probe(asker, report.model, clock)
    findings += locked
    if locked[0].able:
        fits.append(_fit("assistants", report))
    problem = "" if fits else "no backend fits: see what it answered above"
    return replace(report, findings=tuple(findings), fits=_best_first(fits, report.profile), problem=problem)


def _differences(profile: Profile) -> list[Finding]:
    """What requests on Chat had to do without."""
    return [
        Finding("counts streamed answers", profile.counts_streams, "stream_options"),
        Finding("strict tools", profile.strict, "strict"),
        Finding("names of speakers", profile.names, "name"),
        Finding("length of answers", True, profile.length),
        Finding("role of instructions", True, profile.instructions),
    ]


def _fit(backend: str, report: Report, *, settings: tuple[str, ...] = (), note: str = "") -> Fit:
    options = ["--backend", backend, "--base-url", report.base_url, "--model", str(report.model)]
    if report.profile is not None:
        options += ["--profile", report.profile]
    return Fit(backend, tuple(options), settings, note)


def _best_first(fits: list[Fit], profile: str | None) -> tuple[Fit, ...]:
    """Chained Responses send least, where the server keeps them; Chat is what most servers speak best."""
    chained = [fit for fit in fits if "HANDOFF_HISTORY=chain" in fit.settings and profile in {None, "openai", "azure"}]
    return (*chained, *(fit for fit in fits if fit not in chained))
