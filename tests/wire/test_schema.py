"""If this fails, the generator takes schemas that the codec cannot carry, or names C structs
otherwise than lib/wire/README.md says."""

import os
import sys
import unittest

sys.dont_write_bytecode = True
TOP = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
sys.path.insert(0, os.path.join(TOP, "lib", "wire", "gen"))
import schema  # noqa: E402

HEAD = "request Thing key=1 versions=2-5 flexible=3+ listeners=broker\n"


def parse(fields):
    return schema.parse(HEAD + fields, "api", "Thing")[0]


class SchemaTest(unittest.TestCase):
    def test_names(self):
        for name, wanted in (
            ("GroupInstanceId", "group_instance_id"),
            ("V3AndBelowTopics", "v3_and_below_topics"),
            ("KRaftVersion", "kraft_version"),
            ("leaderEpoch", "leader_epoch"),
            ("Enable2Pc", "enable2_pc"),
            ("Default", "default_"),
        ):
            self.assertEqual(schema.snake(name), wanted)

    def test_nested_structs_carry_the_message_once(self):
        message = parse(
            "  A []ThingTopic 0+\n    X int32 0+\n"
            "  B []ThingRequestPart 0+\n    X int32 0+\n"
            "  C []Thinglet 0+\n    X int32 0+\n"
        )
        self.assertEqual(
            [s.c_name for s in message.structs()],
            [
                "thing_request_topic",
                "thing_request_part",
                "thing_request_thinglet",
                "thing_request",
            ],
        )

    def test_versions(self):
        self.assertEqual(schema.versions("3+"), (3, schema.VERSION_MAX))
        self.assertEqual(schema.versions("1-4"), (1, 4))
        self.assertEqual(schema.versions("2"), (2, 2))
        for bad in ("", "x", "1-", "-1", "1+2"):
            with self.assertRaises(schema.SchemaError):
                schema.versions(bad)

    def test_nullable_only_in_gone_versions_is_never_null(self):
        message = parse("  A records 0+ nullable=0-1\n  B records 0+ nullable=0-2\n")
        self.assertFalse(message.body.fields[0].can_be_null)
        self.assertEqual(message.body.fields[0].preset(), (0, False))
        self.assertEqual(message.body.fields[1].preset(), (0, True))

    def test_tags_are_ordered(self):
        message = parse("  A int8 3+ tag=1 tagged=3+\n  B int8 3+ tag=0 tagged=3+\n")
        self.assertEqual([f.name for f in message.body.tagged], ["B", "A"])

    def test_common_struct(self):
        message = parse("  A []Part 0+\n  B Part 0+ nullable=0+\n  struct Part 0+\n    X bool 0+\n")
        first, second = message.body.fields
        self.assertIs(first.struct, second.struct)
        self.assertTrue(second.is_pointer)
        self.assertFalse(first.is_pointer)

    def test_refused(self):
        for fields, reason in (
            ("  A Part 0+\n", "no struct Part"),
            ("  A int32 0+ nullable=0+\n", "cannot be null"),
            ("  A string 0+ default=null\n", "null is not a value"),
            ("  A string 0+ default=x\n", "not supported"),
            ("  A int32 0+ tag=0\n", "go together"),
            ("  A int32 0+ tag=1 tagged=3+\n", "tags are not 0, 1, 2"),
            ("  A int32 0+ tag=0 tagged=3-4\n", "open-ended"),
            ("  A records 3+ nullable=3+ tag=0 tagged=3+\n", "records cannot be tagged"),
            ("  A []records 0+\n", "no arrays of records"),
            ("  A int32 0+\n  A int32 0+\n", "two fields of one name"),
            ("  A []int32 0+\n  ACount int32 0+\n", "two fields of one name"),
            ("  A int32 0+\n    B int32 0+\n", "has no fields"),
            ("  A int32 0+ shiny\n", "unknown attribute"),
            ("  A int32 new\n", "bad versions"),
            ("  A Part 0+\n  struct Part 0+\n    B Part 0+\n", "contains itself"),
            ("      A int32 0+\n", "too deep"),
        ):
            with self.subTest(fields), self.assertRaisesRegex(schema.SchemaError, reason):
                parse(fields)

    def test_every_file_is_read(self):
        messages = schema.read_folder(os.path.join(TOP, "lib", "wire", "schema"))
        kinds = [m.kind for m in messages]
        self.assertEqual(kinds.count("request"), 91)
        self.assertEqual(kinds.count("response"), 91)
        self.assertEqual(kinds.count("coordinator-key"), kinds.count("coordinator-value"))


unittest.main()
