#!/usr/bin/env python3
"""Writes messages.h and messages.c: the C structs and descriptors of lib/wire/schema, and the
tables of APIs and records that lib/wire/api.c and record_frame.c read.

usage: generate.py SCHEMA_FOLDER OUTPUT_FOLDER"""

import os
import sys

sys.dont_write_bytecode = True
import schema  # noqa: E402

C_TYPES = {
    "bool": "bool",
    "int8": "int8_t",
    "int16": "int16_t",
    "uint16": "uint16_t",
    "int32": "int32_t",
    "uint32": "uint32_t",
    "int64": "int64_t",
    "float64": "double",
    "uuid": "struct uuid",
    "string": "struct str",
    "bytes": "struct slice",
    "records": "struct slice",
}

H_TOP = """/* Generated from lib/wire/schema by lib/wire/gen/generate.py. The conventions are in
 * lib/wire/README.md. */
#ifndef KAVKA_WIRE_MESSAGES_H
#define KAVKA_WIRE_MESSAGES_H

#include "base/buf.h"
#include "base/uuid.h"
#include "wire/desc.h"
"""


def span_text(span):
    if span[0] > span[1]:
        return "never"
    if span[1] == schema.VERSION_MAX:
        return f"{span[0]}+"
    return f"{span[0]}" if span[0] == span[1] else f"{span[0]}-{span[1]}"


def field_comment(field):
    words = [span_text(field.span)]
    if field.can_be_null:
        words.append(f"null {span_text(field.nullable)}")
    if field.tag >= 0:
        words.append(f"tag {field.tag} ({span_text(field.tagged)})")
    number, is_null = field.preset()
    if is_null:
        words.append("default null")
    elif field.default and number:
        words.append(f"default {field.default}")
    return ", ".join(words)


def write_struct(out, struct):
    out.append(f"struct {struct.c_name} {{")
    for f in struct.fields:
        c_type = f"struct {f.struct.c_name}" if f.is_struct else C_TYPES[f.type]
        star = "*" if f.is_array or f.is_pointer else ""
        out.append(f"\t{c_type} {star}{f.member};\t/* {field_comment(f)} */")
        if f.is_array:
            out.append(f"\tint32_t {f.member}_count;")
    if not struct.fields:
        out.append("\tchar no_fields;")
    out.append("};")
    out.append(f"extern const struct wire_struct {struct.c_name}_struct;")


def constant(name):
    return schema.snake(name).upper()


def write_header(messages):
    out = [H_TOP]
    for m in messages:
        flexible = "never" if m.flexible == schema.VERSION_MAX else f"{m.flexible}+"
        out.append(
            f"/* ---- {m.name}: versions {span_text((m.min, m.max))}, flexible {flexible} "
            "---- */"
        )
        for struct in m.structs():
            write_struct(out, struct)
        out.append(f"extern const struct message_desc {m.body.c_name}_desc;\n")
    out.append("enum api_key {")
    requests = sorted((m for m in messages if m.kind == "request"), key=lambda m: m.key)
    out += [f"\tAPI_{constant(m.base)} = {m.key}," for m in requests]
    out.append("};\n\n/* Types of records in the metadata log. */\nenum metadata_record_type {")
    records = sorted(
        (m for m in messages if m.kind == "metadata-record" and m.family == "metadata"),
        key=lambda m: m.key,
    )
    out += [f"\t{constant(m.name)} = {m.key}," for m in records]
    out.append("};\n\n#endif")
    return "\n".join(out) + "\n"


def write_field(struct, f):
    number, is_null = f.preset()
    flags = [
        name
        for name, on in (
            ("WIRE_ARRAY", f.is_array),
            ("WIRE_IGNORABLE", f.is_ignorable),
            ("WIRE_PRESET_NULL", is_null),
            ("WIRE_POINTER", f.is_pointer),
            ("WIRE_INFLEXIBLE", f.is_inflexible),
        )
        if on
    ]
    kind = "STRUCT" if f.is_struct else f.type.upper()
    preset = f"{number}LL" if number > -(2**63) else "INT64_MIN"
    parts = [
        f'.name = "{f.name}"',
        f".at = offsetof(struct {struct.c_name}, {f.member})",
        f".type = WIRE_{kind}",
        f".since = {f.span[0]}, .until = {f.span[1]}",
        f".nullable_since = {f.nullable[0]}, .nullable_until = {f.nullable[1]}",
        f".tag = {f.tag}",
        f".tagged_since = {f.tagged[0] if f.tag >= 0 else schema.VERSION_MAX}",
    ]
    if f.is_array:
        parts.append(f".count_at = offsetof(struct {struct.c_name}, {f.member}_count)")
    if flags:
        parts.append(f".flags = {' | '.join(flags)}")
    if f.is_struct:
        parts.append(f".child = &{f.struct.c_name}_struct")
    if number:
        parts.append(f".preset = {preset}")
    return "\t{ " + ", ".join(parts) + " },"


def write_struct_desc(out, struct):
    name = struct.c_name
    if struct.fields:
        out.append(f"static const struct wire_field {name}_fields[] = {{")
        out += [write_field(struct, f) for f in struct.fields]
        out.append("};")
    if struct.tagged:
        order = ", ".join(str(struct.fields.index(f)) for f in struct.tagged)
        out.append(f"static const uint8_t {name}_tagged[] = {{ {order} }};")
    out.append(f'const struct wire_struct {name}_struct = {{ .name = "{struct.name}",')
    if struct.fields:
        out.append(f"\t.fields = {name}_fields, .field_count = {len(struct.fields)},")
    if struct.tagged:
        out.append(f"\t.tagged = {name}_tagged, .tagged_count = {len(struct.tagged)},")
    out.append(f"\t.size = sizeof(struct {name}) }};")


def write_tables(messages):
    out = ["const struct api wire_apis[] = {"]
    by_name = {(m.kind, m.base): m for m in messages}
    for m in sorted((m for m in messages if m.kind == "request"), key=lambda m: m.key):
        response = by_name[("response", m.base)]
        if (response.key, response.min, response.max, response.flexible) != (
            m.key,
            m.min,
            m.max,
            m.flexible,
        ):
            raise schema.SchemaError(f"{m.base}: request and response differ")
        listeners = " | ".join(f"LISTENER_{w.upper()}" for w in m.keys["listeners"].split(","))
        out.append(f'\t{{ .key = {m.key}, .name = "{m.base}", .constant = "{constant(m.base)}",')
        out.append(
            f"\t  .min_version = {m.min}, .max_version = {m.max}, "
            f".flexible_since = {m.flexible},"
        )
        out.append(
            f"\t  .is_latest_unstable = {str(m.keys.get('unstable') == 'latest').lower()}, "
            f".is_forwardable = {m.keys.get('forwardable', 'false')}, "
            f".listeners = {listeners},"
        )
        out.append(
            f"\t  .request = &{m.body.c_name}_desc, .response = &{response.body.c_name}_desc }},"
        )
    out.append("};\nconst size_t wire_api_count = ARRAY_LEN(wire_apis);\n")
    out.append("const struct record_type wire_record_types[] = {")
    for m in messages:
        if m.kind == "metadata-record":
            out.append(
                f'\t{{ RECORDS_{m.family.upper()}, {m.key}, "{constant(m.name)}", NULL, '
                f"&{m.body.c_name}_desc }},"
            )
        elif m.kind == "coordinator-key":
            value = by_name[("coordinator-value", m.base[: -len("Key")] + "Value")]
            out.append(
                f"\t{{ RECORDS_{m.family.upper()}, {m.key}, "
                f'"{constant(m.name[:-len("Key")])}", &{m.body.c_name}_desc, '
                f"&{value.body.c_name}_desc }},"
            )
    out.append("};\nconst size_t wire_record_type_count = ARRAY_LEN(wire_record_types);\n")
    out.append("const struct message_desc *const wire_messages[] = {")
    out += [f"\t&{m.body.c_name}_desc," for m in messages]
    out.append("};\nconst size_t wire_message_count = ARRAY_LEN(wire_messages);")
    return out


def write_source(messages):
    out = [
        "/* Generated from lib/wire/schema by lib/wire/gen/generate.py. */",
        '#include "wire/messages.h"\n',
        '#include "wire/api.h"',
        '#include "wire/record_frame.h"\n',
    ]
    for m in messages:
        for struct in m.structs():
            write_struct_desc(out, struct)
        out.append(f"const struct message_desc {m.body.c_name}_desc = {{")
        out.append(f'\t.name = "{m.name}", .body = &{m.body.c_name}_struct, .key = {m.key},')
        out.append(
            f"\t.min_version = {m.min}, .max_version = {m.max}, "
            f".flexible_since = {m.flexible} }};\n"
        )
    out += write_tables(messages)
    return "\n".join(out) + "\n"


def write_file(path, text):
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


def check_names(messages):
    names = [struct.c_name for m in messages for struct in m.structs()]
    twice = {name for name in names if names.count(name) > 1}
    if twice:
        raise schema.SchemaError(f"two structs of one name: {', '.join(sorted(twice))}")


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    try:
        messages = schema.read_folder(sys.argv[1])
        check_names(messages)
        folder = os.path.join(sys.argv[2], "wire")
        os.makedirs(folder, exist_ok=True)
        write_file(os.path.join(folder, "messages.h"), write_header(messages))
        write_file(os.path.join(folder, "messages.c"), write_source(messages))
    except schema.SchemaError as error:
        sys.exit(f"generate.py: {error}")


main()
