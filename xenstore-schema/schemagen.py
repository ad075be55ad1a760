#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Reads vgpu.schema; writes the C constants, the C tables and the document made from it.

Usage: schemagen.py SCHEMA [--header FILE] [--tables FILE] [--document FILE]

Trusts nothing in the schema: whatever is wrong with it is an error FILE:LINE, and nothing is
written then. The format is explained at the head of vgpu.schema.
"""

import argparse
import os
import re
import sys

SIDES = ("toolstack", "backend", "frontend")
OWNERS = ("dom0", "backend", "guest")
TYPES = {  # name: number of arguments (None: one or more)
    "state": 0, "flag": 0, "uint": 2, "size": 2, "enum": None, "equals": 1, "text": 1,
    "gpu": 0, "driver": 0, "versions": 0,
}
UNITS = {"K": 10, "M": 20, "G": 30, "T": 40, "P": 50}
VARIABLES = ("<backend>", "<domid>", "<devid>")
TREE_FIELDS = ("owner", "access", "writer", "extra", "optional", "doc")
KEY_FIELDS = ("type", "setting", "writer", "present", "when", "since", "doc")


class SchemaError(Exception):
    pass


class Node:
    """A statement: its words, its line, and its fields as {name: (line, text)}."""

    def __init__(self, line, words):
        self.line = line
        self.words = words
        self.fields = {}


def read_nodes(name, text):
    """Splits the file into statements. Knows nothing of what they mean."""
    nodes, doc = [], None
    for number, raw in enumerate(text.split("\n"), 1):
        line = raw.rstrip()
        if not line or line.startswith("#"):
            continue
        if "\t" in line:
            raise SchemaError(f"{name}:{number}: a tab; indent with blanks")
        indent = len(line) - len(line.lstrip())
        if indent == 0:
            nodes.append(Node(number, line.split()))
            doc = None
        elif not nodes:
            raise SchemaError(f"{name}:{number}: a field before the first statement")
        elif doc is not None and indent > doc:
            at, old = nodes[-1].fields["doc"]
            nodes[-1].fields["doc"] = (at, f"{old} {line.strip()}")
        else:
            field, _, rest = line.strip().partition(" ")
            if field in nodes[-1].fields:
                raise SchemaError(f"{name}:{number}: field `{field}` given twice")
            nodes[-1].fields[field] = (number, rest.strip())
            doc = indent if field == "doc" else None
    return nodes


class Schema:
    def __init__(self, name, text):
        self.name = name
        self.version = None
        self.trees = {}
        for node in read_nodes(name, text):
            kind = node.words[0]
            reader = getattr(self, "read_" + kind, None)
            if reader is None:
                self.fail(node.line, f"unknown statement `{kind}`: version, tree, key or copy")
            reader(node)
        if self.version is None:
            self.fail(1, "no `version`")
        for tree in self.trees.values():
            if not tree["keys"] and not tree["copy"]:
                self.fail(tree["line"], f"tree `{tree['name']}` has no key")

    def fail(self, line, message):
        raise SchemaError(f"{self.name}:{line}: {message}")

    def number(self, line, text, what):
        match = re.fullmatch(r"(\d+)([KMGTP]?)", text)
        if not match:
            self.fail(line, f"{what}: `{text}` is not a number")
        value = int(match[1]) << UNITS.get(match[2], 0)
        if value >= 1 << 64:
            self.fail(line, f"{what}: {text} does not fit into 64 bits")
        return value

    def words(self, node, count, usage):
        if len(node.words) != count:
            self.fail(node.line, f"usage: {usage}")
        return node.words[1:]

    def take(self, node, allowed, needed):
        for field, (line, text) in node.fields.items():
            if field not in allowed:
                self.fail(line, f"unknown field `{field}`: {', '.join(allowed)}")
            if not text and field not in ("setting", "optional"):
                self.fail(line, f"field `{field}` is empty")
        for field in needed:
            if field not in node.fields:
                self.fail(node.line, f"`{' '.join(node.words)}` has no `{field}`")
        return node.fields

    def sides(self, line, text):
        for side in text.split():
            if side not in SIDES:
                self.fail(line, f"unknown side `{side}`: {', '.join(SIDES)}")
        return text.split()

    def read_version(self, node):
        (text,) = self.words(node, 2, "version N")
        if self.version is not None:
            self.fail(node.line, "a second `version`")
        self.version = self.number(node.line, text, "version")

    def read_tree(self, node):
        name, path = self.words(node, 3, "tree NAME PATH")
        fields = self.take(node, TREE_FIELDS, ("owner", "access", "writer", "extra", "doc"))
        if name in self.trees:
            self.fail(node.line, f"a second tree `{name}`")
        for variable in re.findall(r"<[^>]*>", path):
            if variable not in VARIABLES:
                self.fail(node.line, f"unknown variable {variable} in the path")
        held = [variable for variable in re.findall(r"<[^>]*>", path) if variable != "<backend>"]
        if held != ["<domid>", "<devid>"] or not re.fullmatch(r"/.*/<devid>", path):
            self.fail(node.line, "the path must be absolute and hold <domid>, then end in <devid>")
        line, owner = fields["owner"]
        if owner not in OWNERS:
            self.fail(line, f"unknown owner `{owner}`: {', '.join(OWNERS)}")
        line, extra = fields["extra"]
        if extra not in ("error", "ignore"):
            self.fail(line, f"extra is `error` or `ignore`, not `{extra}`")
        line, access = fields["access"]
        readers = [] if access == "none" else access.split()
        for reader in readers:
            who, _, right = reader.partition(":")
            if who not in OWNERS or right != "r":
                self.fail(line, f"access is `none` or WHO:r ({', '.join(OWNERS)}), not `{reader}`")
        self.trees[name] = {
            "name": name, "path": path, "line": node.line, "owner": owner, "readers": readers,
            "writer": self.sides(*fields["writer"]), "extra": extra,
            "optional": "optional" in fields, "doc": fields["doc"][1], "keys": {}, "copy": None}

    def read_copy(self, node):
        to, source = self.words(node, 3, "copy TREE FROM")
        for name in (to, source):
            if name not in self.trees:
                self.fail(node.line, f"no tree `{name}` above this line")
        if to == source:
            self.fail(node.line, "a tree cannot copy itself")
        self.trees[to]["copy"] = source

    def read_key(self, node):
        tree, name = self.words(node, 3, "key TREE NAME")
        fields = self.take(node, KEY_FIELDS, ("type", "writer", "present", "when", "since", "doc"))
        if tree not in self.trees:
            self.fail(node.line, f"no tree `{tree}` above this line")
        if not re.fullmatch(r"[a-z][a-z0-9-]*", name):
            self.fail(node.line, f"`{name}` is not a name: lower-case letters, digits, `-`")
        if name in self.trees[tree]["keys"]:
            self.fail(node.line, f"a second key `{name}` in tree `{tree}`")
        key = {"name": name, "line": node.line, "writer": self.sides(*fields["writer"]),
               "when": fields["when"][1], "doc": fields["doc"][1], "setting": "setting" in fields,
               "since": self.number(*fields["since"], "since"), "default": None}
        self.read_type(key, *fields["type"])
        self.read_present(key, *fields["present"])
        if key["setting"]:
            self.read_setting(key, *fields["setting"])
        if self.version is not None and key["since"] > self.version:
            self.fail(fields["since"][0], f"since {key['since']} is beyond version {self.version}")
        self.trees[tree]["keys"][name] = key

    def read_type(self, key, line, text):
        kind, *rest = text.split()
        if kind not in TYPES:
            self.fail(line, f"unknown type `{kind}`: {', '.join(TYPES)}")
        want = TYPES[kind]
        if (want is None and not rest) or (want is not None and len(rest) != want):
            self.fail(line, f"type {kind} takes {'one or more' if want is None else want} words")
        key.update(type=kind, min=0, max=0, words=None, range=rest)
        if kind in ("uint", "size"):
            key["min"], key["max"] = (self.number(line, word, kind) for word in rest)
            if key["min"] > key["max"]:
                self.fail(line, f"the range {rest[0]} to {rest[1]} is empty")
        elif kind == "text":
            key["max"] = self.number(line, rest[0], kind)
            if not 0 < key["max"] <= 2048:
                self.fail(line, "a xenstore node holds at most 2048 bytes")
        elif kind in ("enum", "equals"):
            key["words"] = " ".join(rest)

    def read_present(self, key, line, text):
        key["present"], key["states"] = text.split()[0], 0
        if text in ("always", "optional"):
            return
        side, *states = text.split()
        if side not in ("backend", "frontend") or not states:
            self.fail(line, "present is `always`, `optional`, or a side and its states")
        for state in states:
            if state not in "123456":
                self.fail(line, f"`{state}` is no XenbusState (1 to 6)")
            key["states"] |= 1 << int(state)

    def read_setting(self, key, line, text):
        if key["writer"] != ["toolstack"]:
            self.fail(line, "a setting is written by the toolstack and nobody else")
        if not text:
            if key["present"] != "optional":
                self.fail(line, "a setting without a default must be `present optional`")
            return
        word, _, value = text.partition(" ")
        if word != "default" or not value:
            self.fail(line, "usage: setting [default VALUE]")
        if key["type"] in ("uint", "size"):
            number = self.number(line, value, "default")
            if not key["min"] <= number <= key["max"]:
                self.fail(line, f"the default {value} is out of the key's range")
            value = str(number)
        elif key["type"] == "enum" and value not in key["range"]:
            self.fail(line, f"the default {value} is none of {', '.join(key['range'])}")
        key["default"] = value


# --- emitters ---------------------------------------------------------------------------------

def macro(name):
    return name.upper().replace("-", "_")


def quote(text):
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"' if text is not None else "NULL"


def emit_header(schema):
    out = ["/* SPDX-License-Identifier: MIT */", f"/* Made from {schema.name}. */",
           "#ifndef VG_VGPU_SCHEMA_H", "#define VG_VGPU_SCHEMA_H", "",
           f"#define VG_SCHEMA_VERSION {schema.version}u", "", "/* Names of nodes. */"]
    names = sorted({key for tree in schema.trees.values() for key in tree["keys"]})
    out += [f"#define VG_KEY_{macro(name)} {quote(name)}" for name in names]
    out += ["", "/* Index of each directory in vg_schema_trees. */", "enum vg_schema_tree_id {"]
    out += [f"\tVG_TREE_{macro(name)}," for name in schema.trees]
    return "\n".join(out + ["\tVG_TREE_COUNT,", "};", "", "#endif", ""])


def range_of(key):
    """What is allowed, in words: for messages and for the document."""
    words = key["range"]
    return {
        "state": lambda: "a XenbusState, 1 to 6",
        "flag": lambda: "0 or 1",
        "uint": lambda: f"a number from {words[0]} to {words[1]}",
        "size": lambda: f"bytes from {words[0]} to {words[1]}, as a number or with K, M, G, T, P",
        "enum": lambda: "one of " + ", ".join(words),
        "equals": lambda: words[0],
        "text": lambda: f"text of up to {words[0]} bytes",
        "gpu": lambda: "soft, an index, GPU-<uuid>, MIG-<uuid> or a PCI address such as 0000:3b:00.0",
        "driver": lambda: "soft, default or an absolute path",
        "versions": lambda: "numbers in rising order, separated by commas",
    }[key["type"]]()


def emit_key(key):
    present = {"always": "ALWAYS", "optional": "OPTIONAL"}.get(key["present"], "STATES")
    side = macro(key["present"]) if present == "STATES" else None
    return "\n".join([
        "\t{",
        f"\t\t.name = {quote(key['name'])},",
        f"\t\t.type = VG_TYPE_{macro(key['type'])},",
        f"\t\t.min = {key['min']}ull,",
        f"\t\t.max = {key['max']}ull,",
        f"\t\t.words = {quote(key['words'])},",
        f"\t\t.allowed = {quote(range_of(key))},",
        f"\t\t.setting = {'true' if key['setting'] else 'false'},",
        f"\t\t.value_default = {quote(key['default'])},",
        f"\t\t.writers = {' | '.join('VG_SIDE_' + macro(side_) for side_ in key['writer'])},",
        f"\t\t.present = VG_PRESENT_{present},",
        f"\t\t.side = {'VG_SIDE_' + side if side else 0},",
        f"\t\t.states = {key['states']:#x},",
        "\t},"])


def emit_tables(schema):
    out = ["/* SPDX-License-Identifier: MIT */", f"/* Made from {schema.name}. */",
           '#include "xenstore-schema/schema.h"', "", "#include <stddef.h>", ""]
    for tree in schema.trees.values():
        out.append(f"static const struct vg_schema_key {macro(tree['name']).lower()}_keys[] = {{")
        out += [emit_key(key) for key in tree["keys"].values()]
        out += ["};", ""]
    out.append("const struct vg_schema_tree vg_schema_trees[VG_TREE_COUNT] = {")
    for tree in schema.trees.values():
        table = f"{macro(tree['name']).lower()}_keys"
        copy = f"VG_TREE_{macro(tree['copy'])}" if tree["copy"] else "-1"
        readers = [f"VG_OWNER_{macro(reader.partition(':')[0])}" for reader in tree["readers"]]
        out += [
            "\t{",
            f"\t\t.name = {quote(tree['name'])},",
            f"\t\t.path = {quote(tree['path'])},",
            f"\t\t.owner = VG_OWNER_{macro(tree['owner'])},",
            *([f"\t\t.readers = {{{', '.join(readers)}}},"] if readers else []),
            f"\t\t.reader_count = {len(readers)},",
            f"\t\t.extra_is_error = {str(tree['extra'] == 'error').lower()},",
            f"\t\t.optional = {str(tree['optional']).lower()},",
            f"\t\t.copies = {copy},",
            f"\t\t.keys = {table},",
            f"\t\t.count = sizeof({table}) / sizeof({table}[0]),",
            "\t},"]
    return "\n".join(out + ["};", ""])


def permissions(tree):
    numbers = {"dom0": "0", "backend": "<backend>", "guest": "<domid>"}
    readers = ["r" + numbers[reader.partition(":")[0]] for reader in tree["readers"]]
    return ", ".join(["n" + numbers[tree["owner"]]] + readers)


def present_of(key):
    if key["present"] in ("always", "optional"):
        return key["present"]
    states = [str(n) for n in range(1, 7) if key["states"] & (1 << n)]
    return f"while the {key['present']}'s state is {' or '.join(states)}"


def kind_of(key):
    """The kinds of value as xenstore-paths names them."""
    if key["type"] == "equals":
        return "PATH" if key["words"].startswith("/") else "INTEGER"
    kinds = {"state": "INTEGER", "uint": "INTEGER", "size": "INTEGER", "flag": "BOOLEAN"}
    return kinds.get(key["type"], "STRING")


def emit_key_document(tree, key):
    out = [f"#### {tree['path']}/{key['name']} = {kind_of(key)} "
           f"[{', '.join(key['writer'])}]", "", key["doc"], "",
           f"- Allowed: {range_of(key)}.", f"- Written: {key['when']}.",
           f"- Present: {present_of(key)}."]
    if key["setting"]:
        default = f"`{key['default']}`" if key["default"] else "none, the key is left out"
        out.append(f"- A setting of `vgpu attach`; default: {default}.")
    return out + [f"- Since protocol version {key['since']}.", ""]


def emit_document(schema):
    out = [f"<!-- Made from {os.path.basename(schema.name)}; edit that. -->",
           "# xenstore paths of the vgpu device class", "",
           f"Protocol version {schema.version}. In the manner of Xen's xenstore-paths(7): each path, "
           "the kind of its value, and in brackets who writes it. `<domid>` is the guest's domain, "
           "`<devid>` the number of the device in it, `<backend>` the backend's domain: 0, or a "
           "driver domain. Permissions hold for a directory and every node in it; one for who owns "
           "it already is left out.", "",
           "Settings, as given to `vgpu attach`:", "", "| setting | default | allowed |",
           "|---|---|---|"]
    for tree in schema.trees.values():
        out += [f"| {key['name']} | {key['default'] or '-'} | {range_of(key)} |"
                for key in tree["keys"].values() if key["setting"]]
    out.append("")
    for tree in schema.trees.values():
        out += [f"### {tree['path']}/", "", tree["doc"], "",
                f"- Permissions: {permissions(tree)}.",
                f"- Created by the {' and the '.join(tree['writer'])}."]
        if tree["copy"]:
            out.append(f"- Also holds, unchanged, what the toolstack wrote into "
                       f"{schema.trees[tree['copy']]['path']}/.")
        out.append("")
        for key in tree["keys"].values():
            out += emit_key_document(tree, key)
    return "\n".join(out)


def main(argv):
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("schema")
    outputs = {"header": emit_header, "tables": emit_tables, "document": emit_document}
    for name in outputs:
        parser.add_argument("--" + name, metavar="FILE")
    options = parser.parse_args(argv)
    try:
        with open(options.schema, encoding="utf-8") as file:
            schema = Schema(options.schema, file.read())
    except (SchemaError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    for name, emit in outputs.items():
        path = getattr(options, name)
        if path:
            os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
            with open(path, "w", encoding="utf-8") as file:
                file.write(emit(schema))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
