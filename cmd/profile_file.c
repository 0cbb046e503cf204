/* The file of profiles is kept as its lines; each change touches only the lines it is about. */
#include "cmd/profile.h"

#include "base/buf.h"
#include "base/env.h"
#include "base/limits.h"
#include "base/mem.h"
#include "base/near.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct profiles {
	struct arena arena;	/* lines, names, what was ever read or set */
	char *path;
	const char **lines;	/* without their newlines */
	size_t count, cap;
	const char **names;
	size_t name_count, name_cap;
	const char *current;
};

#define NO_LINE ((size_t)-1)

/* ---- Lines -------------------------------------------------------------------------------- */

static const char *line_text(const char *line)
{
	return line + strspn(line, " \t\f");
}

/* The name in "[name]", or NULL. */
static const char *line_section(struct arena *a, const char *line)
{
	const char *text = line_text(line), *end = strchr(text, ']');

	if (text[0] != '[' || !end || end[1 + strspn(end + 1, " \t\r")] != '\0')
		return NULL;
	return arena_strndup(a, text + 1, (size_t)(end - text) - 1);
}

/* Does the logical line go on behind this one? */
static bool line_continues(const char *line)
{
	size_t len = strlen(line), backslashes = 0;

	while (backslashes < len && line[len - backslashes - 1] == '\\')
		backslashes++;
	return backslashes % 2 == 1 && line_text(line)[0] != '#' && line_text(line)[0] != '!';
}

/* How many lines belong to the logical one at `at`, which ends before `end`. */
static size_t lines_logical(const struct profiles *p, size_t at, size_t end)
{
	size_t count = 1;

	while (at + count < end && line_continues(p->lines[at + count - 1]))
		count++;
	return count;
}

static void lines_insert(struct profiles *p, size_t at, const char *line)
{
	p->lines = grow_array(p->lines, p->count, &p->cap, sizeof(*p->lines));
	memmove(p->lines + at + 1, p->lines + at, (p->count - at) * sizeof(*p->lines));
	p->lines[at] = line;
	p->count++;
}

static void lines_remove(struct profiles *p, size_t at, size_t count)
{
	memmove(p->lines + at, p->lines + at + count,
		(p->count - at - count) * sizeof(*p->lines));
	p->count -= count;
}

/* ---- Sections ----------------------------------------------------------------------------- */

/* Where the profile's lines are: *begin is behind its title, *end is the next title. NULL is the
 * part above all titles. */
static bool section_find(struct profiles *p, const char *name, size_t *begin, size_t *end)
{
	size_t at = 0;

	*begin = name ? NO_LINE : 0;
	for (; at < p->count; at += lines_logical(p, at, p->count)) {
		const char *section = line_section(&p->arena, p->lines[at]);

		if (!section)
			continue;
		if (*begin != NO_LINE)
			break;
		if (name && strcmp(section, name) == 0)
			*begin = at + 1;
	}
	*end = at;
	return *begin != NO_LINE;
}

/* The lines begin..end as properties. */
static int section_read(const struct profiles *p, size_t begin, size_t end, struct props *out,
			struct err *err)
{
	struct out text;
	int rc;

	out_init(&text, PROPS_FILE_BYTES_MAX);
	for (size_t i = begin; i < end; i++)
		out_printf(&text, "%s\n", p->lines[i]);
	rc = text.len ? props_parse(out, (const char *)text.data, text.len, err) : 0;
	out_fini(&text);
	return rc < 0 ? err_add(err, rc, "%s", p->path) : 0;
}

/* The line of `key` in begin..end, or NO_LINE. */
static size_t section_key(const struct profiles *p, size_t begin, size_t end, const char *key)
{
	for (size_t at = begin; at < end; at += lines_logical(p, at, end)) {
		struct props props;
		bool is_it;

		props_init(&props);
		is_it = section_read(p, at, at + lines_logical(p, at, end), &props, NULL) == 0 &&
			props_get(&props, key);
		props_fini(&props);
		if (is_it)
			return at;
	}
	return NO_LINE;
}

/* "key = value" so that props.h reads the same back. */
static const char *section_line(struct arena *a, const char *key, const char *value)
{
	const char *line;
	struct out text;

	out_init(&text, PROPS_FILE_BYTES_MAX);
	for (; *key; key++) {
		if (strchr(" \t=:\\#!", *key))
			out_byte(&text, '\\');
		out_byte(&text, (uint8_t)*key);
	}
	out_text(&text, " = ");
	if (*value == ' ')
		out_byte(&text, '\\');
	for (; *value; value++) {
		switch (*value) {
		case '\\': out_text(&text, "\\\\"); break;
		case '\n': out_text(&text, "\\n"); break;
		case '\r': out_text(&text, "\\r"); break;
		case '\t': out_text(&text, "\\t"); break;
		case '\f': out_text(&text, "\\f"); break;
		default: out_byte(&text, (uint8_t)*value); break;
		}
	}
	line = arena_strndup(a, (const char *)text.data, text.len);
	out_fini(&text);
	return line;
}

/* Sets, replaces or (value NULL) removes a key of begin..end. */
static void section_set(struct profiles *p, size_t begin, size_t end, const char *key,
			const char *value)
{
	size_t at;

	/* A key that stands there twice counts once. */
	while ((at = section_key(p, begin, end, key)) != NO_LINE) {
		size_t count = lines_logical(p, at, end);

		lines_remove(p, at, count);
		end -= count;
		if (value) {
			lines_insert(p, at, section_line(&p->arena, key, value));
			begin = at + 1;
			end++;
			value = NULL;
		}
	}
	if (!value)
		return;
	/* Behind the last line that says something: blank lines part sections. */
	while (end > begin && line_text(p->lines[end - 1])[0] == '\0')
		end--;
	lines_insert(p, end, section_line(&p->arena, key, value));
}

/* What is known beside the lines: the names, and which is current. */
static int profiles_index(struct profiles *p, struct err *err)
{
	struct props head;
	size_t begin, end;
	const char *current;
	int rc = 0;

	p->name_count = 0;
	for (size_t at = 0; at < p->count; at += lines_logical(p, at, p->count)) {
		const char *name = line_section(&p->arena, p->lines[at]);

		if (!name && line_text(p->lines[at])[0] == '[')
			rc = err_set(err, E_MALFORMED, "%s: line %zu: a title is [NAME]", p->path,
				     at + 1);
		if (!name || profiles_has(p, name))
			continue;
		p->names = grow_array(p->names, p->name_count, &p->name_cap, sizeof(*p->names));
		p->names[p->name_count++] = name;
	}
	props_init(&head);
	section_find(p, NULL, &begin, &end);
	if (rc == 0)
		rc = section_read(p, begin, end, &head, err);
	current = props_get(&head, "current");
	p->current = current && *current ? arena_strdup(&p->arena, current) : NULL;
	props_fini(&head);
	return rc;
}

/* ---- Opening ------------------------------------------------------------------------------ */

static char *profiles_default_path(void)
{
	const char *config = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");

	/* A relative path there is to be ignored, as the XDG specification has it. */
	if (config && config[0] == '/')
		return xasprintf("%s/kavka/config", config);
	return xasprintf("%s/.config/kavka/config", home && *home ? home : "");
}

static void profiles_split(struct profiles *p, const char *text, size_t len)
{
	while (len > 0) {
		const char *newline = memchr(text, '\n', len);
		size_t line_len = newline ? (size_t)(newline - text) : len;

		lines_insert(p, p->count, arena_strndup(&p->arena, text, line_len));
		line_len += newline != NULL;
		text += line_len;
		len -= line_len;
	}
}

int profiles_open(struct profiles **out, struct err *err)
{
	struct profiles *p = xcalloc(1, sizeof(*p));
	struct env env;
	char *text;
	size_t len;
	int rc;

	arena_init(&p->arena);
	p->path = profiles_default_path();
	env_posix_init(&env);
	rc = env_read_file(&env, p->path, PROPS_FILE_BYTES_MAX, &text, &len);
	if (rc == 0) {
		profiles_split(p, text, len);
		free(text);
		rc = profiles_index(p, err);
	} else if (rc == -ENOENT || rc == -ENOTDIR) {
		rc = 0;
	} else {
		err_sys(err, rc, "%s", p->path);
	}
	if (rc < 0) {
		profiles_free(p);
		return rc;
	}
	*out = p;
	return 0;
}

void profiles_free(struct profiles *p)
{
	if (!p)
		return;
	arena_fini(&p->arena);
	free(p->lines);
	free(p->names);
	free(p->path);
	free(p);
}

/* ---- Reading ------------------------------------------------------------------------------ */

const char *profiles_path(const struct profiles *p)
{
	return p->path;
}

const char *profiles_name(const struct profiles *p, size_t index)
{
	return index < p->name_count ? p->names[index] : NULL;
}

bool profiles_has(const struct profiles *p, const char *name)
{
	for (size_t i = 0; i < p->name_count; i++)
		if (strcmp(p->names[i], name) == 0)
			return true;
	return false;
}

const char *profiles_current(const struct profiles *p)
{
	return p->current;
}

static int profiles_none(const struct profiles *p, const char *name, struct err *err)
{
	struct near near;

	near_init(&near, name);
	for (size_t i = 0; i < p->name_count; i++)
		near_offer(&near, p->names[i]);
	if (near.best)
		return err_set(err, E_NOT_FOUND, "there is no profile '%s'; did you mean %s?", name,
			       near.best);
	return err_set(err, E_NOT_FOUND,
		       "there is no profile '%s' in %s (kavka profile list shows them)", name,
		       p->path);
}

int profiles_read(const struct profiles *p, const char *name, struct props *out, struct err *err)
{
	size_t begin, end;

	/* Looking for it makes only scratch text in the arena. */
	if (!section_find((struct profiles *)p, name, &begin, &end))
		return profiles_none(p, name, err);
	return section_read(p, begin, end, out, err);
}

/* ---- Changing ----------------------------------------------------------------------------- */

static int profiles_check_name(const char *name, struct err *err)
{
	size_t len = strlen(name);

	for (size_t i = 0; i < len; i++)
		if (!isalnum((unsigned char)name[i]) && !strchr("._-@+", name[i]))
			return err_set(err, E_INVALID,
				       "'%s' cannot be a profile's name: letters, digits and "
				       "._-@+ can", name);
	if (len == 0 || len > PROFILE_NAME_MAX || name[0] == '-')
		return err_set(err, E_INVALID, "'%s' cannot be a profile's name", name);
	return 0;
}

int profiles_set(struct profiles *p, const char *name, const char *key, const char *value,
		 struct err *err)
{
	size_t begin, end;
	int rc = profiles_check_name(name, err);

	if (rc < 0)
		return rc;
	if (!*key || *key == '[' || strpbrk(key, "\n\r"))
		return err_set(err, E_INVALID, "'%s' cannot be a key", key);
	if (!section_find(p, name, &begin, &end)) {
		if (p->count > 0 && *line_text(p->lines[p->count - 1]))
			lines_insert(p, p->count, "");
		lines_insert(p, p->count, arena_printf(&p->arena, "[%s]", name));
		begin = end = p->count;
	}
	section_set(p, begin, end, key, value);
	return profiles_index(p, err);
}

int profiles_remove(struct profiles *p, const char *name, struct err *err)
{
	size_t begin, end;

	if (!section_find(p, name, &begin, &end))
		return profiles_none(p, name, err);
	do {
		lines_remove(p, begin - 1, end - begin + 1);
	} while (section_find(p, name, &begin, &end));
	if (p->current && strcmp(p->current, name) == 0)
		return profiles_use(p, NULL, err);
	return profiles_index(p, err);
}

int profiles_use(struct profiles *p, const char *name, struct err *err)
{
	size_t begin, end;

	if (name && !profiles_has(p, name))
		return profiles_none(p, name, err);
	section_find(p, NULL, &begin, &end);
	if (name && section_key(p, begin, end, "current") == NO_LINE && end == 0)
		lines_insert(p, end, "");	/* between it and the first title */
	section_set(p, begin, end, "current", name);
	return profiles_index(p, err);
}

/* ---- Saving ------------------------------------------------------------------------------- */

/* Makes the directories of the file's path. */
static int profiles_make_dirs(const char *path, struct err *err)
{
	char *copy = xstrdup(path), *slash;
	int rc = 0;

	for (slash = strchr(copy + 1, '/'); slash && rc == 0; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		if (mkdir(copy, 0700) < 0 && errno != EEXIST)
			rc = err_sys(err, -errno, "%s", copy);
		*slash = '/';
	}
	free(copy);
	return rc;
}

static int profiles_write(int fd, const struct out *text)
{
	for (size_t at = 0; at < text->len;) {
		ssize_t n = write(fd, text->data + at, text->len - at);

		if (n < 0 && errno != EINTR)
			return -errno;
		at += n > 0 ? (size_t)n : 0;
	}
	return fsync(fd) < 0 ? -errno : 0;
}

int profiles_save(struct profiles *p, struct err *err)
{
	char real[PATH_MAX];
	/* A link to a file elsewhere stays a link. */
	const char *path = realpath(p->path, real) ? real : p->path;
	char *tmp = xasprintf("%s.%ld", path, (long)getpid());
	struct out text;
	int rc = profiles_make_dirs(path, err), fd;

	out_init(&text, PROPS_FILE_BYTES_MAX);
	for (size_t i = 0; i < p->count; i++)
		out_printf(&text, "%s\n", p->lines[i]);
	if (rc == 0) {
		fd = open(tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
		rc = fd < 0 ? -errno : text.failed ? E_TOO_LARGE : profiles_write(fd, &text);
		if (fd >= 0 && close(fd) < 0 && rc == 0)
			rc = -errno;
		if (rc == 0 && rename(tmp, path) < 0)
			rc = -errno;
		if (rc < 0) {
			if (fd >= 0)
				unlink(tmp);
			err_sys(err, rc, "%s", path);
		}
	}
	out_fini(&text);
	free(tmp);
	return rc;
}

int profile_write(const char *name, const struct props *props, bool use, struct err *err)
{
	struct profiles *p;
	int rc = profiles_open(&p, err);

	if (rc < 0)
		return rc;
	use |= p->current && strcmp(p->current, name) == 0;
	if (profiles_has(p, name))
		rc = profiles_remove(p, name, err);
	for (size_t i = 0; rc == 0 && i < props->count; i++)
		rc = profiles_set(p, name, props->items[i].key, props->items[i].value, err);
	if (rc == 0 && use)
		rc = profiles_use(p, name, err);
	if (rc == 0)
		rc = profiles_save(p, err);
	profiles_free(p);
	return rc;
}
