/* The grammar of --add-config and --delete-config. */
#include "cmd/configs/configs_int.h"

#include "base/mem.h"
#include "base/props.h"

#include <ctype.h>
#include <string.h>

#define BAD_PAIR \
	"Invalid entity config: all configs to be added must be in the format \"key=val\" or  " \
	"\"key=[val1,val2]\" to group values which contain commas."

static struct str trimmed(const char *text, size_t len)
{
	while (len > 0 && isspace((unsigned char)*text))
		text++, len--;
	while (len > 0 && isspace((unsigned char)text[len - 1]))
		len--;
	return (struct str){text, len};
}

/* Where the part that begins at `text` ends: at a comma that is not inside brackets. */
static size_t part_len(const char *text)
{
	bool inside = false;
	size_t i;

	for (i = 0; text[i] && (inside || text[i] != ','); i++) {
		if (text[i] == '[')
			inside = true;
		else if (text[i] == ']')
			inside = false;
	}
	return i;
}

static bool name_is_valid(struct str name)
{
	for (size_t i = 0; i < name.len; i++) {
		if (!isalnum((unsigned char)name.data[i]) && !strchr("$._-", name.data[i]))
			return false;
	}
	return true;
}

/* The first '=' outside of brackets; there must be no second one. */
static const char *part_equals(const char *text, size_t len)
{
	const char *found = NULL;
	bool inside = false;

	for (size_t i = 0; i < len; i++) {
		if (text[i] == '[')
			inside = true;
		else if (text[i] == ']')
			inside = false;
		else if (text[i] == '=' && !inside && found)
			return NULL;
		else if (text[i] == '=' && !inside)
			found = text + i;
	}
	return found;
}

static int change_parse(struct arena *a, const char *text, size_t len, struct change *out,
			struct err *err)
{
	const char *equals = part_equals(text, len);
	struct str value;
	char *plain;
	size_t n = 0;

	if (!equals)
		return err_set(err, E_INVALID, "%s", BAD_PAIR);
	out->name = trimmed(text, (size_t)(equals - text));
	if (!name_is_valid(out->name))
		return err_set(err, E_INVALID, "Invalid character found for config key: %.*s",
			       STR(out->name));
	value = trimmed(equals + 1, len - (size_t)(equals + 1 - text));
	plain = arena_alloc(a, value.len + 1);
	for (size_t i = 0; i < value.len; i++) {
		if (value.data[i] != '[' && value.data[i] != ']')
			plain[n++] = value.data[i];
	}
	out->value = (struct str){plain, n};
	return 0;
}

static int changes_of_file(struct arena *a, const char *path, struct change *out, size_t max,
			   size_t *count, struct err *err)
{
	struct props props;
	int rc;

	props_init(&props);
	rc = props_read(&props, path, err);
	for (size_t i = 0; rc == 0 && i < props.count && *count < max; i++)
		out[(*count)++] =
			(struct change){.name = str_of(arena_strdup(a, props.items[i].key)),
					.value = str_of(arena_strdup(a, props.items[i].value))};
	props_fini(&props);
	return rc;
}

#define CHANGES_MAX 4096 /* above the number of configs that there are */

static int changes_of_deletions(const struct opt_list *lists, struct change *out, size_t *count,
				struct err *err)
{
	for (unsigned i = 0; i < lists->count; i++) {
		for (const char *p = lists->items[i]; *p && *count < CHANGES_MAX;) {
			size_t len = strcspn(p, ",");
			struct str name = trimmed(p, len);

			if (!name_is_valid(name))
				return err_set(err, E_INVALID,
					       "Invalid character found for config key: %.*s",
					       STR(name));
			out[(*count)++] = (struct change){.name = name, .is_delete = true};
			p += len;
			p += *p == ',';
		}
	}
	return 0;
}

int configs_changes(struct run *run, const struct configs_args *args, struct changes *out,
		    struct err *err)
{
	struct arena *a = &run->arena;
	int rc;

	out->items = arena_array(a, CHANGES_MAX, sizeof(*out->items));
	out->count = 0;
	rc = changes_of_deletions(&args->delete_config, out->items, &out->count, err);
	if (rc == 0 && args->add_config_file)
		return changes_of_file(a, args->add_config_file, out->items, CHANGES_MAX,
				       &out->count, err);
	for (const char *p = args->add_config; rc == 0 && p && *p && out->count < CHANGES_MAX;) {
		size_t len = part_len(p);

		rc = change_parse(a, p, len, &out->items[out->count], err);
		out->count += rc == 0;
		p += len;
		p += *p == ',';
	}
	return rc;
}
