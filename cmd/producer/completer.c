#include "cmd/producer/completer.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

struct word {
	struct map_node node;
	size_t len;
	char text[];
};

static void words_add(struct map *m, struct str text)
{
	struct word *w;

	if (text.len == 0 || m->count >= COMPLETER_WORDS_MAX || map_get(m, text.data, text.len))
		return;
	w = xmalloc(sizeof(*w) + text.len);
	w->len = text.len;
	memcpy(w->text, text.data, text.len);
	map_put(m, &w->node, w->text, w->len);
}

static void words_free(struct map *m)
{
	struct word *w;

	MAP_FOREACH (m, w, struct word, node) {
		map_remove(m, &w->node);
		free(w);
	}
	map_fini(m);
}

void completer_init(struct completer *c, const struct record_maker *maker)
{
	c->maker = maker;
	map_init(&c->topics);
	map_init(&c->keys);
	map_init(&c->headers);
}

void completer_fini(struct completer *c)
{
	words_free(&c->topics);
	words_free(&c->keys);
	words_free(&c->headers);
}

/* Offers the words that begin with `begun`, each with `ending` behind it. */
static void words_offer(const struct map *m, struct str begun, struct str ending,
			struct prompt_words *words)
{
	struct out text;
	struct word *w;

	out_init(&text, SIZE_MAX / 2);
	MAP_FOREACH (m, w, struct word, node) {
		if (w->len < begun.len || memcmp(w->text, begun.data, begun.len) != 0)
			continue;
		out_reset(&text);
		out_bytes(&text, w->text, w->len);
		out_bytes(&text, ending.data, ending.len);
		prompt_offer(words, (struct str){(char *)text.data, text.len});
	}
	out_fini(&text);
}

/* ---- Topics ------------------------------------------------------------------------------- */

void completer_add_topic(struct completer *c, struct str topic)
{
	words_add(&c->topics, topic);
}

size_t completer_topics(void *ctx, struct str line, struct prompt_words *words)
{
	struct completer *c = ctx;

	words_offer(&c->topics, line, STR_LIT(""), words);
	return 0;
}

/* ---- Lines of text ------------------------------------------------------------------------ */

static const char *find(struct str s, struct str wanted)
{
	return wanted.len == 0 ? NULL : memmem(s.data, s.len, wanted.data, wanted.len);
}

static struct str behind(struct str line, const char *at)
{
	return (struct str){at, (size_t)(line.data + line.len - at)};
}

/* The last of the headers in `block`: what stands behind the last separator. */
static struct str last_header(const struct record_reader *r, struct str block)
{
	const char *at;

	while ((at = find(block, r->headers_separator)))
		block = behind(block, at + r->headers_separator.len);
	return block;
}

static void complete_text(const struct completer *c, struct str line, const char **start,
			  struct prompt_words *words)
{
	const struct record_reader *r = &c->maker->reader;
	struct str rest = line;

	if (r->parse_headers) {
		const char *at = find(line, r->headers_delimiter);

		if (!at) {
			rest = last_header(r, line);
			*start = rest.data;
			if (!str_is(r->headers_delimiter, "\t") || rest.len > 0)
				words_offer(&c->headers, rest, r->headers_key_separator, words);
			return;
		}
		rest = behind(line, at + r->headers_delimiter.len);
	}
	/* A TAB behind the key is a TAB. */
	if (!r->parse_key || find(rest, r->key_separator) || str_is(r->key_separator, "\t"))
		return;
	*start = rest.data;
	words_offer(&c->keys, rest, r->key_separator, words);
}

/* ---- Lines of JSON ------------------------------------------------------------------------ */

/* Does a name of the record's own object stand, or begin, at the end of `line`? Where from. */
static const char *json_name_start(struct str line)
{
	const char *start = NULL, *end = line.data + line.len;
	unsigned depth = 0;
	bool in_string = false, wants_name = false;

	for (const char *p = line.data; p < end; p++) {
		if (in_string) {
			if (*p == '\\' && p + 1 < end)
				p++;
			else if (*p == '"')
				in_string = false;
			continue;
		}
		switch (*p) {
		case '"':
			in_string = true;
			start = depth == 1 && wants_name ? p : NULL;
			wants_name = false;
			break;
		case '{':
		case '[':
			wants_name = *p == '{' && depth == 0;
			depth++;
			break;
		case '}':
		case ']': depth -= depth > 0; break;
		case ',': wants_name = depth == 1; break;
		default: break;
		}
	}
	if (in_string)
		return start;
	return wants_name || line.len == 0 ? end : NULL;
}

static void complete_json(struct str line, const char **start, struct prompt_words *words)
{
	static const char *const names[] = {
		"\"key\":",       "\"value\":", "\"headers\":{",    "\"partition\":",
		"\"timestamp\":", "\"topic\":", "\"keyEncoding\":", "\"valueEncoding\":"};
	const char *from = json_name_start(line);
	struct str begun;

	if (!from)
		return;
	if (line.len == 0) {
		prompt_offer(words, STR_LIT("{\""));
		return;
	}
	*start = from;
	begun = behind(line, from);
	for (unsigned i = 0; i < ARRAY_LEN(names); i++) {
		if (strncmp(names[i], begun.data, begun.len) == 0)
			prompt_offer(words, str_of(names[i]));
	}
}

/* ---- Both --------------------------------------------------------------------------------- */

size_t completer_record(void *ctx, struct str line, struct prompt_words *words)
{
	const struct completer *c = ctx;
	const char *start = line.data;

	if (c->maker->format == INPUT_JSON)
		complete_json(line, &start, words);
	else if (c->maker->format == INPUT_TEXT)
		complete_text(c, line, &start, words);
	return (size_t)(start - line.data);
}

void completer_learn(void *ctx, struct str line)
{
	struct completer *c = ctx;
	const struct record_reader *r = &c->maker->reader;
	const char *at;

	if (c->maker->format != INPUT_TEXT)
		return;
	if (r->parse_headers) {
		struct str block = line;

		at = find(line, r->headers_delimiter);
		if (!at)
			return;
		line = behind(line, at + r->headers_delimiter.len);
		block.len = (size_t)(at - block.data);
		while (block.len > 0) {
			const char *end = find(block, r->headers_separator);
			struct str pair = {block.data,
					   end ? (size_t)(end - block.data) : block.len};

			at = find(pair, r->headers_key_separator);
			if (at)
				words_add(&c->headers,
					  (struct str){pair.data, (size_t)(at - pair.data)});
			block = end ? behind(block, end + r->headers_separator.len) : STR_NULL;
		}
	}
	at = r->parse_key ? find(line, r->key_separator) : NULL;
	if (at)
		words_add(&c->keys, (struct str){line.data, (size_t)(at - line.data)});
}
