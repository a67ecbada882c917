#!/usr/bin/env python3
"""Checks the licence of every crate in Cargo.lock against the list in deny.toml. Standard library only.

cargo-deny does more (advisories, sources) where it is installed; this runs everywhere.
"""
import json
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent


def allowed():
    text = (ROOT / "deny.toml").read_text()
    block = re.search(r"^allow = \[(.*?)\]", text, re.M | re.S).group(1)
    return set(re.findall(r'"([^"]+)"', block))


def permits(expression, allow):
    """Whether an SPDX expression can be met: one side of each OR, both sides of each AND."""
    tokens = re.findall(r"\(|\)|[^\s()]+", expression.replace("/", " OR "))

    def any_of():
        result = all_of()
        while tokens and tokens[0] == "OR":
            tokens.pop(0)
            result = all_of() or result
        return result

    def all_of():
        result = one()
        while tokens and tokens[0] == "AND":
            tokens.pop(0)
            result = one() and result
        return result

    def one():
        name = tokens.pop(0)
        if name == "(":
            result = any_of()
            tokens.pop(0)
            return result
        while tokens and tokens[0] == "WITH":
            name += " WITH " + tokens[1]
            del tokens[:2]
        return name in allow

    return any_of()


def main():
    out = subprocess.run(["cargo", "metadata", "--format-version", "1", "--locked"], cwd=ROOT,
                         stdout=subprocess.PIPE, check=True).stdout
    allow, bad = allowed(), []
    packages = json.loads(out)["packages"]
    for package in packages:
        licence = package["license"]
        if not licence or not permits(licence, allow):
            bad.append(f"{package['name']} {package['version']}: {licence or 'no licence named'}")
    for line in bad:
        print(f"licence not in deny.toml: {line}", file=sys.stderr)
    print(f"licences: {len(packages)} crates, {len(bad)} not allowed")
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
