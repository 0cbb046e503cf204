#include "props.h"

#include "buf.h"
#include "limits.h"
#include "mem.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

void props_init(struct props *p)
{
	*p = (struct props){0};
	arena_init(&p->arena);
}

void props_fini(struct props *p)
{
	free(p->items);
	arena_fini(&p->arena);
	*p = (struct props){0};
}

static struct prop *props_find(const struct props *p, const char *key)
{
	for (size_t i = 0; i < p->count; i++)
		if (strcmp(p->items[i].key, key) == 0)
			return &p->items[i];
	return NULL;
}

static void props_put(struct props *p, const char *key, const char *value, unsigned line)
{
	struct prop *item = props_find(p, key);

	if (!item) {
		p->items = grow_array(p->items, p->count, &p->cap, sizeof(*p->items));
		item = &p->items[p->count++];
		*item = (struct prop){.key = arena_strdup(&p->arena, key)};
	}
	item->value = arena_strdup(&p->arena, value);
	item->line = line;
}

void props_set(struct props *p, const char *key, const char *value)
{
	props_put(p, key, value, 0);
}

int props_set_pair(struct props *p, const char *pair, struct err *err)
{
	const char *equals = strchr(pair, '=');
	char *key;

	if (!equals || equals == pair)
		return err_set(err, E_USAGE, "'%s' is not of the form key=value", pair);
	key = xstrndup(pair, (size_t)(equals - pair));
	props_put(p, key, equals + 1, 0);
	free(key);
	return 0;
}

const char *props_get(const struct props *p, const char *key)
{
	const struct prop *item = props_find(p, key);

	return item ? item->value : NULL;
}

static bool props_is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\f';
}

/* Reads one logical line into `line` (continuations joined, escapes kept).
 * Returns the position after it. */
static size_t props_logical_line(const char *text, size_t len, size_t pos, unsigned *line_count,
				 struct out *line)
{
	for (;;) {
		size_t backslashes = 0;

		while (pos < len && props_is_blank(text[pos]))
			pos++;
		for (; pos < len && text[pos] != '\n' && text[pos] != '\r'; pos++) {
			backslashes = text[pos] == '\\' ? backslashes + 1 : 0;
			out_byte(line, (uint8_t)text[pos]);
		}
		if (pos < len && text[pos] == '\r' && pos + 1 < len && text[pos + 1] == '\n')
			pos++;
		if (pos < len)
			pos++;
		(*line_count)++;
		/* Comments do not continue. */
		if (backslashes % 2 == 0 || pos >= len || line->data[0] == '#' ||
		    line->data[0] == '!')
			return pos;
		line->len--;
	}
}

static int props_hex4(const char *text, size_t left, uint32_t *code)
{
	if (left < 4)
		return E_MALFORMED;
	*code = 0;
	for (int i = 0; i < 4; i++) {
		const char *digits = "0123456789abcdef", *found;
		char c = text[i] >= 'A' && text[i] <= 'F' ? (char)(text[i] + 32) : text[i];

		found = c ? strchr(digits, c) : NULL;
		if (!found)
			return E_MALFORMED;
		*code = *code << 4 | (uint32_t)(found - digits);
	}
	return 0;
}

static void props_utf8(struct out *o, uint32_t code)
{
	if (code < 0x80) {
		out_byte(o, (uint8_t)code);
	} else if (code < 0x800) {
		out_byte(o, (uint8_t)(0xc0 | code >> 6));
		out_byte(o, (uint8_t)(0x80 | (code & 63)));
	} else {
		out_byte(o, (uint8_t)(0xe0 | code >> 12));
		out_byte(o, (uint8_t)(0x80 | (code >> 6 & 63)));
		out_byte(o, (uint8_t)(0x80 | (code & 63)));
	}
}

/* Resolves the escapes of text[0..len) into `o`, terminated. */
static int props_unescape(struct out *o, const char *text, size_t len)
{
	uint32_t code;

	for (size_t i = 0; i < len; i++) {
		if (text[i] != '\\' || i + 1 == len) {
			if (text[i] != '\\')
				out_byte(o, (uint8_t)text[i]);
			continue;
		}
		i++;
		switch (text[i]) {
		case 't': out_byte(o, '\t'); break;
		case 'n': out_byte(o, '\n'); break;
		case 'r': out_byte(o, '\r'); break;
		case 'f': out_byte(o, '\f'); break;
		case 'u':
			if (props_hex4(text + i + 1, len - i - 1, &code) < 0)
				return E_MALFORMED;
			props_utf8(o, code);
			i += 4;
			break;
		default: out_byte(o, (uint8_t)text[i]); break;
		}
	}
	out_byte(o, '\0');
	return 0;
}

static int props_line(struct props *p, const char *line, size_t len, unsigned number,
		      struct out *key, struct out *value)
{
	size_t end = 0, start;
	int rc;

	while (end < len && !props_is_blank(line[end]) && line[end] != '=' && line[end] != ':')
		end += line[end] == '\\' && end + 1 < len ? 2 : 1;
	start = end;
	while (start < len && props_is_blank(line[start]))
		start++;
	if (start < len && (line[start] == '=' || line[start] == ':'))
		start++;
	while (start < len && props_is_blank(line[start]))
		start++;
	out_reset(key);
	out_reset(value);
	rc = props_unescape(key, line, end);
	if (rc == 0)
		rc = props_unescape(value, line + start, len - start);
	if (rc == 0)
		props_put(p, (const char *)key->data, (const char *)value->data, number);
	return rc;
}

int props_parse(struct props *p, const char *text, size_t len, struct err *err)
{
	struct out line, key, value;
	unsigned line_count = 0;
	int rc = 0;

	out_init(&line, len + 1);
	out_init(&key, len * 3 + 1);
	out_init(&value, len * 3 + 1);
	for (size_t pos = 0; pos < len && rc == 0;) {
		unsigned number = line_count + 1;

		out_reset(&line);
		pos = props_logical_line(text, len, pos, &line_count, &line);
		if (line.len == 0 || line.data[0] == '#' || line.data[0] == '!')
			continue;
		rc = props_line(p, (const char *)line.data, line.len, number, &key, &value);
		if (rc < 0)
			err_set(err, rc, "line %u: malformed \\uxxxx escape", number);
	}
	out_fini(&line);
	out_fini(&key);
	out_fini(&value);
	return rc;
}

int props_read(struct props *p, const char *path, struct err *err)
{
	char *text = NULL;
	struct stat st;
	ssize_t len;
	int fd, rc;

	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return err_sys(err, -errno, "%s", path);
	if (fstat(fd, &st) < 0) {
		rc = err_sys(err, -errno, "%s", path);
		goto done;
	}
	if (S_ISDIR(st.st_mode)) {
		rc = err_sys(err, -EISDIR, "%s", path);
		goto done;
	}
	text = xmalloc(PROPS_FILE_BYTES_MAX + 1);
	len = 0;
	for (ssize_t n = 1; n > 0; len += n) {
		n = read(fd, text + len, PROPS_FILE_BYTES_MAX + 1 - (size_t)len);
		if (n < 0) {
			rc = err_sys(err, -errno, "%s", path);
			goto done;
		}
		if (len + n > PROPS_FILE_BYTES_MAX) {
			rc = err_set(err, E_TOO_LARGE,
				     "%s: larger than 4 MiB: is it a properties file?", path);
			goto done;
		}
	}
	rc = props_parse(p, text, (size_t)len, err);
	if (rc < 0)
		err_add(err, rc, "%s", path);
done:
	free(text);
	close(fd);
	return rc;
}
