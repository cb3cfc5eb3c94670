"""Checks every crate in the build against the rules of deny.toml: licences, sources, banned crates, wildcards.

`cargo deny` does the same and more (advisories), but takes minutes to build and a network to be current; this needs only
`cargo metadata`.
"""

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
REGISTRY = "registry+https://github.com/rust-lang/crates.io-index"


def licence_is_allowed(expression: str, allowed: set[str]) -> bool:
    """Whether an SPDX expression can be satisfied with allowed licences alone."""
    tokens = re.findall(r"\(|\)|[^\s()/]+|/", expression)
    position = 0

    def choice() -> bool:
        nonlocal position
        result = conjunction()
        while position < len(tokens) and tokens[position] in ("OR", "/"):
            position += 1
            other = conjunction()
            result = result or other
        return result

    def conjunction() -> bool:
        nonlocal position
        result = single()
        while position < len(tokens) and tokens[position] == "AND":
            position += 1
            other = single()
            result = result and other
        return result

    def single() -> bool:
        nonlocal position
        token = tokens[position]
        position += 1
        if token == "(":
            result = choice()
            position += 1
            return result
        if position < len(tokens) and tokens[position] == "WITH":
            token = f"{token} WITH {tokens[position + 1]}"
            position += 2
        return token in allowed

    return choice() and position == len(tokens)


def problems() -> list[str]:
    rules = tomllib.loads((ROOT / "deny.toml").read_text())
    allowed = set(rules["licenses"]["allow"])
    banned = {rule["crate"] for rule in rules["bans"]["deny"]}
    output = subprocess.run(
        ["cargo", "metadata", "--format-version", "1", "--locked", "--all-features"],
        cwd=ROOT, check=True, capture_output=True, text=True,
    ).stdout
    packages = json.loads(output)["packages"]
    found = []
    for package in packages:
        name = f"{package['name']} {package['version']}"
        if package["name"] in banned:
            found.append(f"{name} is banned by deny.toml")
        if package["source"] is None:
            for dependency in package["dependencies"]:
                if dependency["req"] == "*" and dependency.get("path") is None:
                    found.append(f"{name} asks for any version of {dependency['name']}")
            if package["license"] != "Apache-2.0":
                found.append(f"{name} is ours and must say Apache-2.0")
            continue
        if package["source"] != REGISTRY:
            found.append(f"{name} comes from {package['source'].split('+')[0]}, not from the registry")
        licence = package["license"]
        if not licence:
            found.append(f"{name} states no licence")
        elif not licence_is_allowed(licence, allowed):
            found.append(f"{name} has the licence {licence}, which deny.toml does not allow")
    print(f"{len(packages)} crates looked at")
    return found


if __name__ == "__main__":
    found = problems()
    for problem in found:
        print(problem)
    sys.exit(1 if found else 0)
