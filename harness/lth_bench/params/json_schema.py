"""JSON Schema (draft-07) of parameters, for editors."""

from __future__ import annotations

import math
from typing import Any, get_args, get_origin

from lth_bench.params.describe import Param, parameters, plain
from lth_bench.params.types import Range, is_mapping, is_table, literals, members, unwrap

Schema = dict[str, Any]

SCALARS = {int: "integer", float: "number", bool: "boolean", str: "string"}


def table_schema(cls: type[Any], required: bool = True) -> Schema:
    """A table of a dataclass's parameters; without `required`, any part of it."""
    found = parameters(cls)
    schema: Schema = {
        "type": "object",
        "additionalProperties": False,
        "properties": {param.name: param_schema(param) for param in found},
    }
    names = [param.name for param in found if param.required]
    if required and names:
        schema["required"] = names
    return schema


def param_schema(param: Param) -> Schema:
    """One parameter: its type and range, its documentation, its default."""
    schema = schema_of(param.type)
    if param.doc:
        schema["description"] = param.doc
    if not param.required and param.default is not None:
        schema["default"] = plain(param.default, param.type)
    return schema


def schema_of(annotation: Any) -> Schema:
    """What a value of this type looks like in TOML, which has no null."""
    bare, limits = unwrap(annotation)
    if members(bare):
        options = [schema_of(m) for m in members(bare) if m is not type(None)]
        return options[0] if len(options) == 1 else {"anyOf": options}
    if literals(bare):
        return {"enum": list(literals(bare))}
    if get_origin(bare) is tuple:
        inner = [schema_of(a) for a in get_args(bare) if a is not Ellipsis]
        if len(inner) < len(get_args(bare)):
            return {"type": "array", "items": inner[0]}
        return {"type": "array", "items": inner, "minItems": len(inner), "maxItems": len(inner)}
    if is_mapping(bare):
        value = get_args(bare)[1]
        return {"type": "object"} | (
            {} if value is object else {"additionalProperties": schema_of(value)}
        )
    if is_table(bare):
        # Within a table, omitted keys keep the outer default, so nothing is required.
        table = table_schema(bare, required=False)
        if not hasattr(bare, "of"):
            return table
        number = schema_of(parameters(bare)[0].type)
        return {"anyOf": [number, table]}
    return {"type": SCALARS[bare]} | _limits(limits)


def _limits(limits: Range | None) -> Schema:
    out: Schema = {}
    if limits is not None and limits.low > -math.inf:
        out["exclusiveMinimum" if limits.open_low else "minimum"] = limits.low
    if limits is not None and limits.high < math.inf:
        out["exclusiveMaximum" if limits.open_high else "maximum"] = limits.high
    return out
