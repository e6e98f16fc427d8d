from __future__ import annotations

import json

from lth_bench.suite.schema import json_schema


def test_it_is_json_and_names_the_plugins(registry):
    schema = json.loads(json.dumps(json_schema(registry), allow_nan=False))
    assert schema["$schema"] == "http://json-schema.org/draft-07/schema#"
    assert schema["required"] == ["schema_version", "suite", "tasks", "strategies"]
    assert schema["additionalProperties"] is False
    strategy = schema["properties"]["strategies"]["items"]
    assert strategy["properties"]["use"]["enum"] == ["imp", "snip"]  # not the broken one
    imp = strategy["allOf"][0]["then"]["properties"]["params"]
    assert imp["additionalProperties"] is False
    assert imp["properties"]["scope"] == {"enum": ["layer", "global"], "default": "layer"}
    rate = imp["properties"]["rate"]
    assert rate["description"] == "Fraction removed each round."
    assert rate["default"] == {"conv": 0.2, "output": 0.1}
    number, table = rate["anyOf"]
    assert number == {"type": "number", "minimum": 0, "maximum": 1}
    assert list(table["properties"]) == ["conv", "output"]


def test_ranges_and_forms(registry):
    schema = json_schema(registry)
    header = schema["properties"]["suite"]["properties"]
    densities, schedule = header["densities"]["anyOf"]
    assert densities["items"] == {"type": "number", "exclusiveMinimum": 0, "maximum": 1}
    assert schedule["properties"]["rounds"] == {
        "type": "integer",
        "minimum": 1,
        "maximum": 100,
        "description": "Number of densities.",
    }
    recipe = schema["properties"]["recipes"]["additionalProperties"]
    assert recipe["properties"]["optimizer"]["enum"] == ["sgd", "adam", "adamw"]
    assert "required" not in recipe


def test_components(registry):
    models = json_schema(registry)["definitions"]["model"]["anyOf"]
    spelt = [option for option in models if "properties" not in option]
    assert [option.get("const") for option in spelt] == ["conv", "mlp", None, None]
    assert spelt[2]["pattern"] == "^zoo:.+$"
    assert spelt[3]["pattern"].startswith("^python:")  # a class of a file
    mlp = next(o for o in models if o.get("properties", {}).get("name") == {"const": "mlp"})
    assert mlp["required"] == ["name"]
    assert mlp["description"] == "Fully connected."
    datasets = json_schema(registry)["definitions"]["dataset"]["anyOf"]
    # a dataset that needs a parameter cannot be written as a bare name
    assert [o.get("const") for o in datasets if "properties" not in o] == ["digits", None]
