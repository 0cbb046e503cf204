/* If this fails: keys do something else than they say. */
#include "unit/support.h"

#include "cmd/top/keys.h"

#include <stdio.h>

static char pressed_text[512];

static void pressed(void *ctx, enum key key, struct str text)
{
	size_t len = strlen(pressed_text);

	(void)ctx;
	if (key == KEY_CHAR)
		snprintf(pressed_text + len, sizeof(pressed_text) - len, "'%.*s' ", STR(text));
	else
		snprintf(pressed_text + len, sizeof(pressed_text) - len, "%d ", key);
}

/* The keys that these bytes are, as text; `is_slow`: byte after byte. */
static const char *typed(const char *bytes, bool is_slow)
{
	struct keys k = {.pressed = pressed};
	size_t len = strlen(bytes);

	pressed_text[0] = '\0';
	for (size_t i = 0; i < len; i += is_slow ? 1 : len)
		keys_feed(&k, (const uint8_t *)bytes + i, is_slow ? 1 : len);
	keys_timeout(&k);
	return pressed_text;
}

static void test_keys(void **state)
{
	static const struct {
		const char *bytes;
		enum key key;
	} cases[] = {
		{"\x1b[A", KEY_UP},         {"\x1bOB", KEY_DOWN},
		{"\x1b[C", KEY_RIGHT},      {"\x1b[D", KEY_LEFT},
		{"\x1b[1;5A", KEY_UP},      {"\x1b[H", KEY_HOME},
		{"\x1bOF", KEY_END},        {"\x1b[1~", KEY_HOME},
		{"\x1b[4~", KEY_END},       {"\x1b[5~", KEY_PAGE_UP},
		{"\x1b[6~", KEY_PAGE_DOWN}, {"\x1b[6;5~", KEY_PAGE_DOWN},
		{"\x1b[Z", KEY_BACK_TAB},   {"\r", KEY_ENTER},
		{"\n", KEY_ENTER},          {"\t", KEY_TAB},
		{"\x7f", KEY_BACKSPACE},    {"\b", KEY_BACKSPACE},
		{"\x0c", KEY_REDRAW},       {"\x1b", KEY_ESC},
		{"\x1b[15~", KEY_NONE},     {"\x1b[<0;1;1q", KEY_NONE},
		{"\x01", KEY_NONE},
	};
	char want[16];

	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(cases); i++) {
		snprintf(want, sizeof(want), "%d ", cases[i].key);
		assert_string_equal(typed(cases[i].bytes, false), want);
		assert_string_equal(typed(cases[i].bytes, true), want);
	}
}

static void test_text(void **state)
{
	char want[64];

	(void)state;
	assert_string_equal(typed("aé語", true), "'a' 'é' '語' ");
	snprintf(want, sizeof(want), "%d 'q' ", KEY_ESC);
	assert_string_equal(typed("\x1bq", false), want);
	snprintf(want, sizeof(want), "%d %d 'x' ", KEY_ESC, KEY_UP);
	assert_string_equal(typed("\x1b\x1b[Ax", true), want);
	/* What is no character is no key either, and holds nothing up. */
	snprintf(want, sizeof(want), "%d 'a' ", KEY_NONE);
	assert_string_equal(typed("\xff"
				  "a",
				  true),
			    want);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_keys),
		cmocka_unit_test(test_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
