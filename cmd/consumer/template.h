/* --format: a text with holes for the parts of a record, as kcat's -f has it.
 *
 *	%s value	%S its length, -1 for null	%R the same as four bytes, big-endian
 *	%k key		%K its length			%T timestamp in ms
 *	%t topic	%p partition	%o offset	%h headers: name=value,name=value
 *	%% percent	\n \r \t \xHH (hexadecimal) \NNN (decimal) one byte; \C the character C */
#ifndef KAVKA_CMD_CONSUMER_TEMPLATE_H
#define KAVKA_CMD_CONSUMER_TEMPLATE_H

#include "cmd/consumer/formatter.h"

/* Borrows nothing. NULL with E_USAGE in `err`: a % that nobody knows, or at the end. */
struct template *template_new(const char *text, struct err *err);
void template_free(struct template *t); /* NULL is fine */

bool template_has_key(const struct template *t);
bool template_has_value(const struct template *t);

/* `key` and `value`: what %k and %s print, null for nothing to print. */
void template_print(const struct template *t, const struct record_view *v, struct str key,
		    struct str value);

#endif
