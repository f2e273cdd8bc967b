"""What servers that speak OpenAI's protocols take, as a table: who they are, and how a request to them is spelled.

A profile is a starting point, not a wall: a request that a server refuses because of something a profile can leave out
is spelled without it and made again, and stays spelled so (`adapted`). Facts have their source beside them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal
from urllib.parse import urlsplit

from handoff.errors import ConfigurationError

Kind = Literal["chat", "responses", "assistants"]
History = Literal["chain", "own"]


@dataclass(frozen=True, slots=True)
class Profile:
    """What a server takes. The values by default are what most servers take."""

    #: What it is called.
    name: str = ""
    #: Where it is, if it is not said.
    base_url: str | None = None
    #: The backends that fit, the best first.
    kinds: tuple[Kind, ...] = ("chat",)
    #: Who keeps the history on Responses: the server, by `previous_response_id`, or we.
    history: History = "own"
    #: Whether it can be asked to count a streamed answer (`stream_options`).
    counts_streams: bool = True
    #: Whether a tool may be declared `strict`.
    strict: bool = True
    #: Whether messages may carry the `name` of who speaks.
    names: bool = True
    #: How a forced call is asked for: by the tool's name, by `required`, or not at all.
    choice: Literal["named", "required", "none"] = "named"
    #: Whether a list of tools can be restricted by `tool_choice: allowed_tools`.
    allowed_tools: bool = False
    #: The role of instructions.
    instructions: Literal["system", "developer"] = "system"
    #: The field that bounds an answer's length.
    length: Literal["max_completion_tokens", "max_tokens"] = "max_completion_tokens"
    #: What `owned_by` says in its list of models.
    owners: tuple[str, ...] = ()
    #: How its host may end.
    hosts: tuple[str, ...] = ()
    #: What else there is to know, for people.
    note: str = ""
    #: Where this is from.
    source: str = ""


#: Nothing is known of the server.
ANY = Profile()

PROFILES: Mapping[str, Profile] = {
    one.name: one
    for one in (
        Profile(
            "openai",
            kinds=("responses", "chat"),
            history="chain",
            allowed_tools=True,
            instructions="developer",
            owners=("openai", "system", "openai-internal"),
            hosts=("api.openai.com",),
            note="Assistants ended on 2026-08-26",
            source="OpenAI's OpenAPI document: ChatCompletionRequestDeveloperMessage, CreateResponse, "
            "ChatCompletionAllowedToolsChoice, ToolChoiceAllowed",
        ),
        Profile(
            "azure",
            kinds=("responses", "chat"),
            history="chain",
            allowed_tools=True,
            instructions="developer",
            hosts=(".openai.azure.com", ".services.ai.azure.com", ".cognitiveservices.azure.com"),
            note="base URL https://RESOURCE.openai.azure.com/openai/v1/; the model is the name of a deployment",
            source="learn.microsoft.com/azure/foundry/openai/api-version-lifecycle, 'v1 API'; ToolChoiceAllowed of its "
            "client libraries",
        ),
        Profile(
            "llama.cpp",
            "http://127.0.0.1:8080/v1",
            kinds=("chat", "responses"),
            choice="required",
            length="max_tokens",
            owners=("llamacpp",),
            note="tools need a chat template that knows them (--jinja); a tool cannot be forced by its name",
            source="ggml-org/llama.cpp tools/server: server-common.cpp reads tool_choice as a text, server-task.cpp "
            "max_tokens; server-chat.cpp refuses previous_response_id",
        ),
        Profile(
            "ollama",
            "http://127.0.0.1:11434/v1",
            kinds=("chat", "responses"),
            choice="none",
            length="max_tokens",
            owners=("library",),
            note="a call cannot be forced; Responses are stateless",
            source="ollama/ollama docs/api/openai-compatibility.mdx and openai/openai.go: fields of a request",
        ),
        Profile(
            "vllm",
            "http://127.0.0.1:8000/v1",
            kinds=("chat", "responses"),
            owners=("vllm",),
            note="tools need --enable-auto-tool-choice and --tool-call-parser; responses are kept only under "
            "VLLM_ENABLE_RESPONSES_API_STORE=1, and for ever: then HANDOFF_HISTORY=chain works too",
            source="vllm-project/vllm docs/serving/online_serving: openai_compatible_server.md, responses_api.md",
        ),
    )
}


def profile_named(name: str | None) -> Profile:
    """Return the profile of that name; without one, what most servers take.

    Args:
        name: a key of `PROFILES`, or None.

    Raises:
        ConfigurationError: there is no such profile.
    """
    if name is None:
        return ANY
    found = PROFILES.get(name)
    if found is None:
        raise ConfigurationError(f"there is no profile {name!r}: use one of {', '.join(PROFILES)}, or none")
    return found


def profile_of(base_url: str, owners: frozenset[str] = frozenset()) -> Profile | None:
    """Return whose server that is, as far as it can be told from outside.

    Args:
        base_url: where it is.
        owners: what its list of models says in `owned_by`.
    """
    host = urlsplit(base_url).hostname or ""
    for one in PROFILES.values():
        if any(host == name or (name.startswith(".") and host.endswith(name)) for name in one.hosts):
            return one
    return next((one for one in PROFILES.values() if not one.hosts and owners & set(one.owners)), None)


# -- what a refusal teaches --------------------------------------------------------------------------------------------

#: Words that say a field as such is not taken, rather than that its value is wrong.
_UNTAKEN = re.compile(
    r"(?i)unsupported|not support|n't support|unknown|unrecogni[sz]ed|unexpected|not permitted|not allowed|"
    r"not implemented|extra (?:inputs|fields)|additional propert|no such (?:field|parameter)|requires --jinja"
)


@dataclass(frozen=True, slots=True)
class _Lesson:
    """What to leave out when a server does not take it."""

    #: What the refusal names.
    named: re.Pattern[str]
    #: The profile's field, the values it may be changed from, and to.
    field: str
    steps: Mapping[Any, Any]


_LESSONS = (
    _Lesson(re.compile(r"\bstream_options\b|\binclude_usage\b"), "counts_streams", {True: False}),
    _Lesson(re.compile(r"\bstrict\b"), "strict", {True: False}),
    _Lesson(re.compile(r"\btool_choice\b"), "choice", {"named": "required", "required": "none"}),
    _Lesson(re.compile(r"\bmax_completion_tokens\b"), "length", {"max_completion_tokens": "max_tokens"}),
    _Lesson(re.compile(r"\bmax_tokens\b"), "length", {"max_tokens": "max_completion_tokens"}),
    _Lesson(re.compile(r"\bdeveloper\b"), "instructions", {"developer": "system"}),
    _Lesson(re.compile(r"messages(?:\[\d+\]|\.\d+)?\.name\b|['\"`]name['\"`]"), "names", {True: False}),
)


def adapted(profile: Profile, reason: str) -> Profile | None:
    """Return the profile without what a server has just refused; None if the refusal is about something else.

    Args:
        profile: how the request was spelled.
        reason: what the server said.
    """
    if not _UNTAKEN.search(reason):
        return None
    for lesson in _LESSONS:
        value = getattr(profile, lesson.field)
        if value in lesson.steps and lesson.named.search(reason):
            changed: dict[str, Any] = {lesson.field: lesson.steps[value]}
            return replace(profile, **changed)
    return None
