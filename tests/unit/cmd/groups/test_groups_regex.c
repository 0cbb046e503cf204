/* If this fails: --validate-regex tells something else of a regular expression than brokers do. */
#include "unit/support.h"

#include "cmd/groups/groups_regex.h"

#include "base/check.h"

static void test_what_brokers_take(void **state)
{
	static const char *const valid[] = {
		"",      "a",          "a.*",      "^a|b$",        "(a|b)+c?",     "a{2}",
		"a{2,}", "a{2,5}?",    "a{",       "a{x}",         "a{,3}",        "[a-z]",
		"[]a]",  "[^]a]",      "[a-]",     "[[:alpha:]_]", "[[:^digit:]]", "[\\d.]",
		"[\\]]", "(?i)abc",    "(?i:abc)", "(?-s:a)",      "(?P<name>a)",  "(?<name>a)",
		"\\.",   "\\d+\\s",    "\\Aa\\z",  "\\bword\\b",   "\\x41",        "\\x{1F600}",
		"\\pL",  "\\p{Greek}", "\\012",    "\\Qa.b[\\E",   "\\Qa.b",       "a*?",
		"^*",    "()",         "x|",       "\\-",          "\xc3\xa9+",
	};

	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(valid); i++) {
		const char *fault = regex_fault(valid[i]);

		if (fault)
			fail_msg("%s: %s", valid[i], fault);
	}
}

static void test_what_brokers_refuse(void **state)
{
	static const struct {
		const char *text, *fault;
	} bad[] = {
		{"a(", "missing closing )"},
		{"(?", "missing closing )"},
		{"a)", "regexp/syntax: internal error"},
		{"[", "missing closing ]"},
		{"[a", "missing closing ]"},
		{"[]", "missing closing ]"},
		{"[b-a]", "invalid character class range"},
		{"[a-\\d]", "invalid character class range"},
		{"[[:nosuch:]]", "invalid character class range"},
		{"\\p{Greek", "invalid character class range"},
		{"*", "missing argument to repetition operator"},
		{"a|+", "missing argument to repetition operator"},
		{"(?i)*", "missing argument to repetition operator"},
		{"a**", "invalid nested repetition operator"},
		{"a{2}{3}", "invalid nested repetition operator"},
		{"a{2,1}", "invalid repeat count"},
		{"a{1001}", "invalid repeat count"},
		{"(?=a)", "invalid or unsupported Perl syntax"},
		{"(?<=a)", "invalid or unsupported Perl syntax"},
		{"(?!a)", "invalid or unsupported Perl syntax"},
		{"(?P<n", "invalid named capture"},
		{"(?P<a b>c)", "invalid named capture"},
		{"a\\", "trailing backslash at end of expression"},
		{"(a)\\1", "invalid escape sequence"},
		{"\\8", "invalid escape sequence"},
		{"\\y", "invalid escape sequence"},
		{"\\x4", "invalid escape sequence"},
		{"\\x{110000}", "invalid escape sequence"},
	};

	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(bad); i++) {
		const char *fault = regex_fault(bad[i].text);

		if (!fault || strcmp(fault, bad[i].fault) != 0)
			fail_msg("%s: %s, want %s", bad[i].text, fault ? fault : "valid",
				 bad[i].fault);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_brokers_take),
		cmocka_unit_test(test_what_brokers_refuse),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
