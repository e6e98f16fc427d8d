"""A JSON Schema (draft-07) of suites from the installed plugins, for completion in editors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lth_bench.errors import UserError
from lth_bench.params.json_schema import Schema, table_schema
from lth_bench.suite.document import (
    SAFE_NAME,
    SCHEMA_VERSION,
    ClaimTable,
    Document,
    StrategyTable,
    TaskTable,
)
from lth_bench.suite.start import COMMAND, DRAWN, START
from lth_bench.suite.tuned import TunedTable

if TYPE_CHECKING:
    from lth_bench.plugins import Registry


START_SCHEMA: Schema = {
    START: {
        "type": "string",
        "description": "Where initial values come from: a .safetensors file, or "
        "torchvision:WEIGHTS.",
    },
    DRAWN: {
        "type": "array",
        "items": {"type": "string"},
        "description": "Tensors that are drawn in spite of `start`, by pattern: fc.*",
    },
    COMMAND: {
        "type": "string",
        "description": "The command that makes the file, for the message where it is missing.",
    },
}
"""What every model takes beside its own parameters."""


def json_schema(registry: Registry) -> Schema:
    """The schema of a whole suite file. A plugin that cannot be loaded is left out."""
    from lth_bench.training.recipe import Recipe

    schema = table_schema(Document)
    properties = schema["properties"]
    properties["schema_version"] = {
        "const": SCHEMA_VERSION,
        "description": properties["schema_version"]["description"],
    }
    properties["suite"]["required"] = ["name"]
    properties["suite"]["anyOf"] = [{"required": ["seeds"]}, {"required": ["decide"]}]
    properties["suite"]["properties"]["name"]["pattern"] = f"^{SAFE_NAME.pattern}$"
    # --set may complete a recipe, so nothing in it is required.
    properties["recipes"]["additionalProperties"] = table_schema(Recipe, required=False)
    properties["tasks"].update(minItems=1, items=_tasks())
    properties["strategies"].update(minItems=1, items=_strategies(registry))
    properties["claims"].update(items=_claims())
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "lth-bench suite",
        **schema,
        "definitions": {
            "model": _component(registry, "models"),
            "dataset": _component(registry, "datasets"),
            "objective": _component(registry, "objectives"),
        },
    }


def _classes(registry: Registry, group: str) -> dict[str, type[Any]]:
    """Name → class of the plugins that load and have readable parameters."""
    found = {}
    for name, entry in sorted(registry.groups[group].items()):
        try:
            cls = entry.load()
            table_schema(cls)
        except UserError:
            continue
        found[name] = cls
    return found


def _tasks() -> Schema:
    schema = table_schema(TaskTable)
    for kind in ("model", "dataset"):
        one = {"$ref": f"#/definitions/{kind}"}
        schema["properties"][kind] = {
            "description": schema["properties"][kind]["description"],
            "anyOf": [one, {"type": "array", "items": one, "minItems": 1}],
        }
    about = schema["properties"]["objective"]["description"]
    one = {"$ref": "#/definitions/objective"}
    schema["properties"]["objective"] = {"description": about, "anyOf": [one]}
    return schema


def _component(registry: Registry, group: str) -> Schema:
    """A name, a name with a variant (torchvision:resnet50), or a table of name and parameters."""
    options: list[Schema] = []
    for name, cls in _classes(registry, group).items():
        table = table_schema(cls)
        properties = dict(table["properties"])
        variant = {"type": "string", "pattern": f"^{name}:.+$"} if "name" in properties else None
        spelt = variant or {"const": name}
        properties["name"] = spelt
        if group == "models":
            properties |= START_SCHEMA
        required = [key for key in table.get("required", []) if key != "name"]
        doc = {"description": first_paragraph(cls)}
        options.append({**table, **doc, "properties": properties, "required": ["name", *required]})
        if not required:
            options.append({**spelt, **doc})
    in_file: Schema = {"type": "string", "pattern": r"^python:.+\.py:[^\W\d]\w*$"}
    table = {"type": "object", "properties": {"name": in_file}, "required": ["name"]}
    return {"anyOf": [*options, in_file, table]}


def _strategies(registry: Registry) -> Schema:
    schema = table_schema(StrategyTable)
    classes = _classes(registry, "strategies")
    schema["properties"]["tuned"].update(items=_tuned())
    use = schema["properties"]["use"]
    use["enum"] = list(classes)
    schema["allOf"] = [
        {
            "if": {"properties": {"use": {"const": name}}, "required": ["use"]},
            "then": {
                "properties": {
                    "tuned": {
                        "items": {"properties": {"params": table_schema(cls, required=False)}}
                    },
                    "params": table_schema(cls, required=False),
                    "per_model": {"additionalProperties": table_schema(cls, required=False)},
                }
            },
        }
        for name, cls in classes.items()
    ]
    return schema


def _tuned() -> Schema:
    from lth_bench.training.recipe import Recipe

    schema = table_schema(TunedTable)
    schema["properties"]["train"].update(table_schema(Recipe, required=False))
    return schema


def _claims() -> Schema:
    schema = table_schema(ClaimTable)
    properties = schema["properties"]
    properties["name"]["pattern"] = f"^{SAFE_NAME.pattern}$"
    for key in ("text", "source", "metric"):
        properties[key]["minLength"] = 1
    schema["oneOf"] = [
        *({"required": [key]} for key in ("at_least", "at_most", "within")),
        {"required": ["reported"], "properties": {"reported": {"const": True}}},
    ]
    ratio = {"required": ["compare"], "properties": {"compare": {"const": "ratio"}}}
    paired = [ratio, *({"required": [key]} for key in ("within", "versus_recipe", "versus_model"))]
    schema["anyOf"] = [{"required": ["versus"]}, {"not": {"anyOf": paired}}]
    return schema


def first_paragraph(cls: type[Any]) -> str:
    """The first paragraph of a class's own documentation, on one line."""
    doc = cls.__dict__.get("__doc__") or ""
    if doc.startswith(f"{cls.__name__}("):  # the signature that @dataclass writes without one
        return ""
    return " ".join(doc.strip().partition("\n\n")[0].split())
