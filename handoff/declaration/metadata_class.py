"""Whether a class can be the metadata of a flow.

Every field is optional or has a default, and what is written to JSON comes back the same, in the same order. This is
judged when the flow is declared, so that no thread ever holds what cannot be kept.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Set as AbstractSet
from typing import Any, get_origin

from pydantic import BaseModel, PydanticUserError, ValidationError
from pydantic.errors import PydanticInvalidForJsonSchema
from pydantic.fields import FieldInfo
from pydantic_core import PydanticSerializationError

from handoff.declaration.annotations import inside, plain, spell
from handoff.declaration.metadata import Metadata, dump
from handoff.declaration.place import Place

MUTABLE = (list, dict, set, bytearray, BaseModel)
"""Types whose instances, as defaults, would be shared by everything that uses the default."""


def check_metadata_class(kind: Any, place: Place) -> None:
    """Refuse a class that cannot be a flow's metadata.

    Raises:
        DefinitionError: with what to change.
    """
    if not (isinstance(kind, type) and issubclass(kind, Metadata)):
        raise place.refuse(f"metadata={_name(kind)} is no metadata class: derive it from handoff.Metadata")
    for option, wanted in (("validate_assignment", True), ("extra", "forbid"), ("frozen", False)):
        if kind.model_config.get(option, wanted) != wanted:
            raise place.refuse(f"{kind.__name__} sets {option}= in its model_config: leave it as Metadata has it")
    if kind.__private_attributes__:
        listed = ", ".join(kind.__private_attributes__)
        raise place.refuse(
            f"{kind.__name__} has private attributes ({listed}), which no journal keeps: make them fields"
        )
    for name, field in kind.model_fields.items():
        if problem := _field_problem(field):
            raise place.refuse(f"{kind.__name__}.{name} {problem}")
    _check_json(kind, place)


def _field_problem(field: FieldInfo) -> str | None:
    if field.is_required():
        return f"has no default, so a new thread could not start: write `{spell(field.annotation)} | None = None`"
    default: Any = field.default
    if isinstance(default, MUTABLE):
        return "has a mutable default: write Field(default_factory=...)"
    if field.alias is not None or field.validation_alias is not None or field.serialization_alias is not None:
        return "has an alias: metadata is read and written under the field's own name; leave the alias out"
    if field.exclude:
        return "is excluded from JSON and would be lost: leave exclude= out"
    for part in inside(field.annotation):
        if problem := _not_json(part):
            return problem
    return None


def _not_json(part: Any) -> str | None:
    origin = get_origin(plain(part)) or plain(part)
    if origin in (Any, object):
        return "takes anything, so it may not be JSON: name its type (pydantic.JsonValue is any JSON)"
    if origin in (bytes, bytearray):
        return "holds bytes, which are no JSON: use str"
    if isinstance(origin, type) and issubclass(origin, AbstractSet):
        return "is a set, which has no order in JSON: use list"
    if origin is type:
        return "is a class, which is no JSON: use its name"
    if origin is Callable or (isinstance(origin, type) and issubclass(origin, Callable)):  # type: ignore[arg-type]
        return "is a function, which is no JSON: lend it through Deps"
    return None


def _check_json(kind: type[Metadata], place: Place) -> None:
    try:
        kind.model_json_schema(mode="validation")
        kind.model_json_schema(mode="serialization")
        made = kind()
        kind.model_validate({name: getattr(made, name) for name in kind.model_fields})
        values = dump(made)
        if dump(kind.model_validate(values)) != values:
            raise place.refuse(f"{kind.__name__} does not come back the same from JSON: mend its validators")
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        raise place.refuse(f"{kind.__name__}.{field} has a default its own type refuses: {first['msg']}") from None
    except (PydanticInvalidForJsonSchema, PydanticSerializationError, PydanticUserError) as error:
        reason = str(error).splitlines()[0]
        raise place.refuse(f"{kind.__name__} is not JSON: {reason}. Lend such things through Deps") from None


def _name(kind: Any) -> str:
    return getattr(kind, "__name__", None) or repr(kind)
