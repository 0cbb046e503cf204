#include "cmd/number_text.h"

#include "base/check.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* From "d.ddde±XX" to Java's form: plain between 10^-3 and 10^7, else with E. */
static char *number_java(const char *scientific, char *text)
{
	char digits[32];
	int exponent, count = 0;
	const char *p = scientific;
	char *out = text;

	if (*p == '-')
		*out++ = *p++;
	for (; *p && *p != 'e'; p++) {
		if (*p != '.')
			digits[count++] = *p;
	}
	exponent = (int)strtol(p + 1, NULL, 10);
	while (count > 1 && digits[count - 1] == '0')
		count--;
	digits[count] = '\0';
	if (exponent >= 7 || exponent < -3) {
		snprintf(out, 40, "%c.%sE%d", digits[0], count > 1 ? digits + 1 : "0", exponent);
	} else if (exponent < 0) {
		snprintf(out, 40, "0.%.*s%s", -exponent - 1, "000", digits);
	} else {
		for (int i = 0; i <= exponent; i++)
			*out++ = i < count ? digits[i] : '0';
		snprintf(out, 40, ".%s", count > exponent + 1 ? digits + exponent + 1 : "0");
	}
	return text;
}

static char *number_special(double v, char *text)
{
	if (isnan(v))
		snprintf(text, NUMBER_TEXT_MAX, "NaN");
	else if (isinf(v))
		snprintf(text, NUMBER_TEXT_MAX, v < 0 ? "-Infinity" : "Infinity");
	else
		snprintf(text, NUMBER_TEXT_MAX, signbit(v) ? "-0.0" : "0.0");
	return text;
}

char *number_text_double(uint64_t bits, char text[NUMBER_TEXT_MAX])
{
	char scientific[40];
	double v;

	memcpy(&v, &bits, sizeof(v));
	if (isnan(v) || isinf(v) || fpclassify(v) == FP_ZERO)
		return number_special(v, text);
	for (int precision = 0; precision <= 17; precision++) {
		snprintf(scientific, sizeof(scientific), "%.*e", precision, v);
		if (memcmp(&(double){strtod(scientific, NULL)}, &v, sizeof(v)) == 0)
			break;
	}
	return number_java(scientific, text);
}

char *number_text_float(uint32_t bits, char text[NUMBER_TEXT_MAX])
{
	char scientific[40];
	float v;

	memcpy(&v, &bits, sizeof(v));
	if (isnan(v) || isinf(v) || fpclassify(v) == FP_ZERO)
		return number_special((double)v, text);
	for (int precision = 0; precision <= 9; precision++) {
		snprintf(scientific, sizeof(scientific), "%.*e", precision, (double)v);
		if (memcmp(&(float){strtof(scientific, NULL)}, &v, sizeof(v)) == 0)
			break;
	}
	return number_java(scientific, text);
}
