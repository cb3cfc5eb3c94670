"""Writing TOML: the standard library only reads it."""

import json


def dumps(table: dict) -> str:
    """A configuration as TOML text."""
    lines = []
    tables = []
    for name, value in table.items():
        if isinstance(value, dict) and value:
            tables.append(f"[{json.dumps(name)}]\n" + _members(value))
        elif isinstance(value, list) and value and all(isinstance(item, dict) for item in value):
            tables += [f"[[{json.dumps(name)}]]\n" + _members(item) for item in value]
        else:
            lines.append(f"{json.dumps(name)} = {_value(value)}\n")
    return "".join(lines) + "\n".join(["", *tables])


def _members(table: dict) -> str:
    return "".join(f"{json.dumps(name)} = {_value(value)}\n" for name, value in table.items())


def _value(value) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return repr(value)
    if isinstance(value, str):
        return json.dumps(value)
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(_value(item) for item in value) + "]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(name)} = {_value(item)}" for name, item in value.items()) + "}"
    raise TypeError(f"{value!r} cannot be written as TOML")
