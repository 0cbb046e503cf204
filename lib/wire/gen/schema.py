"""Reads lib/wire/schema (notation: lib/wire/README.md) into plain objects, and refuses
whatever the codec could not carry."""

import os
import re

SCALARS = {
    "bool",
    "int8",
    "int16",
    "uint16",
    "int32",
    "uint32",
    "int64",
    "float64",
    "uuid",
    "string",
    "bytes",
    "records",
}
NULLABLE_SCALARS = {"string", "bytes", "records"}
KINDS = {
    "request",
    "response",
    "header",
    "data",
    "metadata-record",
    "coordinator-key",
    "coordinator-value",
}
KEYWORDS = {
    "default",
    "register",
    "static",
    "struct",
    "int",
    "long",
    "short",
    "char",
    "union",
    "const",
    "enum",
    "switch",
    "case",
    "return",
    "float",
    "double",
    "void",
    "volatile",
}
VERSION_MAX = 32767
DEPTH_MAX = 12


class SchemaError(Exception):
    pass


def snake(name):
    name = name.replace("KRaft", "Kraft")
    name = re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", name)
    name = re.sub(r"([A-Z])([A-Z][a-z])", r"\1_\2", name).lower()
    return name + "_" if name in KEYWORDS else name


def versions(text):
    """'3+', '1-4', '2' or 'none' as (first, last)."""
    if text == "none":
        return (1, 0)
    match = re.fullmatch(r"(\d+)(\+|-(\d+))?", text)
    if not match:
        raise SchemaError(f"bad versions '{text}'")
    first = int(match[1])
    if not match[2]:
        return (first, first)
    return (first, VERSION_MAX if match[2] == "+" else int(match[3]))


class Field:
    def __init__(self, name, kind, span):
        self.name, self.span = name, span
        self.is_array = kind.startswith("[]")
        self.type = kind[2:] if self.is_array else kind
        self.is_struct = self.type not in SCALARS
        self.nullable, self.tag, self.tagged = (1, 0), -1, (1, 0)
        self.default, self.is_ignorable, self.is_inflexible = "", False, False
        self.struct = None
        self.member = snake(name)

    @property
    def can_be_null(self):
        return self.nullable[0] <= self.nullable[1]

    @property
    def is_pointer(self):
        return self.is_struct and not self.is_array and self.can_be_null

    def set_attribute(self, word):
        key, _, value = word.partition("=")
        if key == "nullable":
            self.nullable = versions(value)
        elif key == "tag":
            self.tag = int(value)
        elif key == "tagged":
            self.tagged = versions(value)
        elif key == "default":
            self.default = value
        elif word == "ignorable":
            self.is_ignorable = True
        elif word == "flexible=none":
            self.is_inflexible = True
        else:
            raise SchemaError(f"unknown attribute '{word}'")

    def check(self):
        if (self.tag >= 0) != (self.tagged[0] <= self.tagged[1]):
            raise SchemaError(f"{self.name}: tag and tagged go together")
        if self.tag >= 0 and self.tagged[1] != VERSION_MAX:
            raise SchemaError(f"{self.name}: tagged must be open-ended")
        if self.tag >= 0 and self.type == "records":
            raise SchemaError(f"{self.name}: records cannot be tagged")
        if self.can_be_null and not (
            self.is_array or self.is_struct or self.type in NULLABLE_SCALARS
        ):
            raise SchemaError(f"{self.name}: {self.type} cannot be null")
        if self.is_array and self.type == "records":
            raise SchemaError(f"{self.name}: no arrays of records")
        self.preset()

    def preset(self):
        """The default as (number, is_null)."""
        if self.default == "null":
            if not self.can_be_null:
                raise SchemaError(f"{self.name}: null is not a value")
            return (0, True)
        if not self.default:
            return (0, self.type == "records" and self.can_be_null)
        if self.is_array or self.is_struct or self.type in ("string", "bytes", "float64", "uuid"):
            raise SchemaError(f"{self.name}: default {self.default} is not supported")
        if self.type == "bool":
            return (("false", "true").index(self.default), False)
        return (int(self.default, 0), False)


class Struct:
    def __init__(self, name, span):
        self.name, self.span, self.fields = name, span, []
        self.c_name = None

    @property
    def tagged(self):
        return sorted((f for f in self.fields if f.tag >= 0), key=lambda f: f.tag)

    def check(self):
        members = [
            m
            for f in self.fields
            for m in ([f.member, f.member + "_count"] if f.is_array else [f.member])
        ]
        if len(set(members)) != len(members):
            raise SchemaError(f"{self.name}: two fields of one name")
        if [f.tag for f in self.tagged] != list(range(len(self.tagged))):
            raise SchemaError(f"{self.name}: tags are not 0, 1, 2, ...")
        for field in self.fields:
            field.check()


class Message:
    def __init__(self, words, family):
        self.kind, self.name, self.family = words[0], words[1], family
        if self.kind not in KINDS:
            raise SchemaError(f"unknown kind '{self.kind}'")
        self.keys = dict(word.split("=", 1) for word in words[2:])
        self.key = int(self.keys.get("key", -1))
        self.min, self.max = versions(self.keys["versions"])
        flexible = versions(self.keys["flexible"])
        self.flexible = flexible[0] if flexible[0] <= flexible[1] else VERSION_MAX
        self.base = self.name
        if self.kind in ("request", "response"):
            self.name += self.kind.capitalize()
        self.body = Struct(self.name, (0, VERSION_MAX))
        self.commons = {}

    def structs(self):
        """All structs, each after the ones it contains."""
        done, busy = [], []

        def visit(struct):
            if struct in done:
                return
            if struct in busy or len(busy) > DEPTH_MAX:
                raise SchemaError(f"{struct.name} contains itself, or is too deep")
            busy.append(struct)
            for field in struct.fields:
                if field.is_struct:
                    visit(field.struct)
            busy.pop()
            done.append(struct)

        visit(self.body)
        return done

    def finish(self):
        def resolve(struct):
            for field in struct.fields:
                if not field.is_struct:
                    continue
                if field.struct:
                    resolve(field.struct)
                else:
                    field.struct = self.commons.get(field.type)
                if not field.struct:
                    raise SchemaError(f"{self.name}: no struct {field.type}")

        for struct in [self.body, *self.commons.values()]:
            resolve(struct)
        names = set()
        for field in (f for struct in self.structs() for f in struct.fields):
            if field.nullable[0] > self.max or field.nullable[1] < self.min:
                field.nullable = (1, 0)  # only in versions that are gone
        for struct in self.structs():
            struct.check()
            struct.c_name = self.c_name_of(struct)
            if struct.c_name in names:
                raise SchemaError(f"{self.name}: two structs {struct.c_name}")
            names.add(struct.c_name)

    def c_name_of(self, struct):
        """Nested structs carry the message's name in front, once."""
        if struct is self.body:
            return snake(self.name)
        name = struct.name
        for prefix in (self.name, self.base):
            rest = name[len(prefix) :]
            if name.startswith(prefix) and rest and (rest[0].isupper() or rest[0].isdigit()):
                name = rest
                break
        return snake(self.name) + "_" + snake(name)


def parse(text, family, source):
    messages, stack = [], []
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip() or line.startswith("#"):
            continue
        try:
            level, words = (len(line) - len(line.lstrip(" "))) // 2, line.split()
            if level == 0:
                messages.append(Message(words, family))
                stack = [messages[-1].body]
                continue
            del stack[level:]
            if level > len(stack):
                raise SchemaError("too deep")
            if level == 1 and words[0] == "struct":
                struct = Struct(words[1], versions(words[2]))
                messages[-1].commons[words[1]] = struct
                stack.append(struct)
                continue
            stack.append(parse_field(words, stack, level))
        except (SchemaError, ValueError, KeyError, IndexError) as error:
            raise SchemaError(f"{source}:{number}: {error}") from error
    for message in messages:
        message.finish()
    return messages


def parse_field(words, stack, level):
    """Appends the field to the struct above it, gives the struct it would open."""
    above = stack[level - 1]
    if isinstance(above, Field):
        if not above.is_struct:
            raise SchemaError(f"{above.name} has no fields")
        above.struct = Struct(above.type, above.span)
        stack[level - 1] = above.struct
        above = above.struct
    field = Field(words[0], words[1], versions(words[2]))
    for word in words[3:]:
        field.set_attribute(word)
    above.fields.append(field)
    return field


def read_folder(folder):
    messages = []
    for path, folders, files in os.walk(folder):
        folders.sort()
        for name in sorted(files):
            source = os.path.join(path, name)
            if name.endswith(".md"):
                continue
            with open(source, encoding="utf-8") as file:
                messages += parse(file.read(), os.path.basename(path), source)
    return messages
