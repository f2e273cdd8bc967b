"""Which backend runs the model, and where it is: said in the call, else in the environment, else the offline rules.

`HANDOFF_*` is read for every field, `OPENAI_API_KEY` and `OPENAI_BASE_URL` where that says nothing. What cannot work is
refused before anything is sent, by a text that names the setting and holds no secret.
"""

from __future__ import annotations

import importlib
import inspect
import os
from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from handoff.backends.base import Backend
from handoff.backends.credentials import checked_address, checked_key
from handoff.backends.profiles import Profile, profile_named
from handoff.errors import ConfigurationError

#: kind -> (module, class): imported when a backend of that kind is made.
BACKENDS: Mapping[str, tuple[str, str]] = {
    "chat": ("handoff.backends.chat", "Chat"),
    "responses": ("handoff.backends.responses", "Responses"),
    "assistants": ("handoff.backends.assistants", "Assistants"),
}

#: Options of a backend, handed to it where they are set: those of every server, and those of one protocol alone.
COMMON = ("stream", "input_tokens", "timeout", "layout")
OWN: Mapping[str, tuple[str, ...]] = {
    "chat": ("profile",),
    "responses": ("history", "background", "profile"),
    "assistants": ("finish",),
}

PREFIX = "HANDOFF_"


class Connection(BaseSettings):
    """Settings of a backend. A field that is not given is read from the environment, as `HANDOFF_` and its name.

    Raises:
        ConfigurationError: a value cannot work.
    """

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, extra="ignore", frozen=True, env_ignore_empty=True, hide_input_in_errors=True
    )

    #: Who runs the model: the flow's offline rules (`embedded`), or a server that speaks this protocol. Not given: what
    #: the profile fits best, `chat` if only a model or an address is given, else the offline rules.
    backend: Literal["embedded", "chat", "responses", "assistants"] | None = None
    #: Name of the model, for assistants that declare none.
    model: str | None = None
    #: Where the server is, with its `/v1`.
    base_url: str | None = None
    #: What opens it.
    api_key: SecretStr | None = None
    #: What the server is known to take.
    profile: str | None = None
    #: Who keeps the history on Responses.
    history: Literal["chain", "own", "conversation"] | None = None
    #: Whether Responses are made in the background.
    background: bool | None = None
    #: How requests on Chat and Responses are laid out.
    layout: Literal["usual", "cached"] | None = None
    #: How a handoff ends a run on Assistants.
    finish: Literal["complete", "carry"] | None = None
    #: Whether text is told as it is written.
    stream: bool | None = None
    #: The most a request may carry, roughly, in tokens.
    input_tokens: int | None = Field(None, ge=1)
    #: Seconds without a byte after which a request is made again.
    timeout: float | None = Field(None, gt=0, allow_inf_nan=False)

    def __init__(self, **values: Any) -> None:
        given = {name: value for name, value in values.items() if value is not None}
        unknown = sorted(given.keys() - type(self).model_fields.keys())
        if unknown:
            raise ConfigurationError(f"a connection has no {', '.join(unknown)}: it has {_names()}")
        try:
            super().__init__(**given)
        except ValidationError as error:
            raise ConfigurationError(_told(error, given)) from None

    @field_validator("base_url")
    @classmethod
    def _without_secrets(cls, value: str | None) -> str | None:
        return checked_address(value)

    @field_validator("profile")
    @classmethod
    def _known(cls, value: str | None) -> str | None:
        profile_named(value)
        return value

    @field_validator("api_key", mode="before")
    @classmethod
    def _stripped(cls, value: object) -> object:
        """A key read from a file often ends in a line break."""
        return value.strip() if isinstance(value, str) else value

    @property
    def kind(self) -> Literal["embedded", "chat", "responses", "assistants"]:
        """Which backend it is."""
        if self.backend is not None:
            return self.backend
        if self.profile is not None:
            return self._profile.kinds[0]
        return "embedded" if self.model is None and self.base_url is None else "chat"

    @property
    def address(self) -> str | None:
        """Where requests go; None for OpenAI, or where there is no server."""
        if self.kind == "embedded":
            return None
        return self.base_url or self._profile.base_url or os.environ.get("OPENAI_BASE_URL") or None

    @property
    def key(self) -> SecretStr | None:
        """What opens the server."""
        fallback = os.environ.get("OPENAI_API_KEY", "").strip()
        return self.api_key or (SecretStr(fallback) if fallback else None)

    @property
    def _profile(self) -> Profile:
        return profile_named(self.profile)

    def connect(self) -> Backend | None:
        """Return the backend; None where the flow's offline rules are to answer.

        Nothing is sent yet, and the SDK is imported with the first request.

        Raises:
            ConfigurationError: something is missing, or does not go together.
        """
        kind, profile = self.kind, self._profile
        if kind == "embedded":
            return None
        if self.model is None:
            raise ConfigurationError(f"the {kind} backend needs a model's name: give model=, --model or HANDOFF_MODEL")
        if self.profile is not None and kind not in profile.kinds:
            raise ConfigurationError(
                f"{self.profile} does not speak {kind}: use --backend {profile.kinds[0]}, or leave the profile out"
            )
        address, key = self.address, self.key
        if key is None and address is None:
            raise ConfigurationError(
                f"the {kind} backend needs a server: set OPENAI_API_KEY for OpenAI's, or name another by --base-url"
            )
        options: dict[str, Any] = {name: getattr(self, name) for name in (*COMMON, *OWN[kind])}
        if kind == "responses" and self.history is None and self.profile is not None:
            options["history"] = profile.history
        options = {name: value for name, value in options.items() if value is not None}
        checked_address(address)  # which may be OPENAI_BASE_URL
        secret = checked_key(None if key is None else key.get_secret_value())
        return _made(kind, self.model, {"base_url": address, "api_key": secret}, options)


def connect(**values: Any) -> Backend | None:
    """Return the backend that these values and the environment name; None where the offline rules are to answer.

    Args:
        values: fields of `Connection`.

    Raises:
        ConfigurationError: a value cannot work, or something is missing.
    """
    return Connection(**values).connect()


def _made(kind: str, model: str, server: dict[str, Any], options: dict[str, Any]) -> Backend:
    module, name = BACKENDS[kind]
    try:
        made: Any = getattr(importlib.import_module(module), name)
    except ModuleNotFoundError as error:
        if error.name != module:
            raise
        raise ConfigurationError(f"this version has no {kind} backend: use {_either(BACKENDS, kind)}") from None
    takes = inspect.signature(made).parameters
    misfit = [option for option in options if option not in takes]
    if misfit:
        settings = " and ".join(PREFIX + option.upper() for option in misfit)
        raise ConfigurationError(f"the {kind} backend has no {', '.join(misfit)}: leave {settings} out")
    backend: Backend = made(model, **server, **options)
    return backend


def _either(kinds: Mapping[str, Any], without: str) -> str:
    return " or ".join(one for one in kinds if one != without)


def _names() -> str:
    return ", ".join(Connection.model_fields)


def _told(error: ValidationError, given: Mapping[str, Any]) -> str:
    """What is wrong with which setting; never the value, which may be a secret."""
    problems: list[str] = []
    for one in error.errors(include_input=False, include_url=False, include_context=False):
        field = str(one["loc"][0]) if one["loc"] else "the settings"
        name = field if field in given else PREFIX + field.upper()
        problems.append(f"{name} {one['msg'].replace('Input should', 'should')}")
    return "; ".join(problems)
