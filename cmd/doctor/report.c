#include "cmd/doctor/doctor_int.h"
#include "cmd/json_out.h"
#include "cmd/print.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const struct {
	const char *text, *json;
	enum tone tone;
} levels[LEVEL_COUNT] = {
	[LEVEL_OK] = {"OK  ", "OK", TONE_GREEN},
	[LEVEL_INFO] = {"INFO", "INFO", TONE_DIM},
	[LEVEL_WARN] = {"WARN", "WARN", TONE_YELLOW},
	[LEVEL_FAIL] = {"FAIL", "FAIL", TONE_RED},
};

/* Brokers choose these texts: nothing in them may steer the terminal. */
static void make_plain(char *text)
{
	for (; *text; text++) {
		if ((unsigned char)*text < 0x20 || *text == 0x7f)
			*text = '?';
	}
}

void finding(struct doctor *d, enum level level, const char *check, const char *subject,
	     const char *remedy, const char *fmt, ...)
{
	char text[2048], where[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	make_plain(text);
	snprintf(where, sizeof(where), "%s", subject);
	make_plain(where);
	d->counts[level]++;
	if (d->format == OUTPUT_JSON) {
		struct json_out j = {0};

		json_out_open(&j, NULL, '{');
		json_out_text(&j, "status", levels[level].json);
		json_out_text(&j, "check", check);
		json_out_text(&j, "subject", where);
		json_out_text(&j, "message", text);
		json_out_text(&j, "remedy", remedy);
		json_out_close(&j, '}');
		print_byte('\n');
	} else if (level > LEVEL_INFO || !output_is_quiet()) {
		print_text("%s%s%s  %-10s  %s: %s\n", tone_on(levels[level].tone),
			   levels[level].text, tone_off(), check, where, text);
		if (remedy)
			print_text("                  -> %s\n", remedy);
	}
	/* The next check may take seconds. */
	print_flush();
}

void finding_section(const struct doctor *d, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	if (d->format == OUTPUT_JSON || output_is_quiet())
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	make_plain(text);
	print_text("%s%s%s\n", tone_on(TONE_BOLD), text, tone_off());
}

void finding_summary(const struct doctor *d)
{
	unsigned fails = d->counts[LEVEL_FAIL], warns = d->counts[LEVEL_WARN];

	if (d->format == OUTPUT_JSON || output_is_quiet())
		return;
	print_text("%s%u problem%s%s, %u warning%s, %u checks passed\n",
		   tone_on(fails ? TONE_RED : TONE_GREEN), fails, fails == 1 ? "" : "s", tone_off(),
		   warns, warns == 1 ? "" : "s", d->counts[LEVEL_OK]);
}
