#include "net/sasl_int.h"

#include "base/mem.h"
#include "base/openssl.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

int sasl_client_new(struct sasl_client **out, const char *mechanism, const char *user,
		    const char *password, bool is_token, struct err *err)
{
	struct sasl_client *s;
	int rc = strcmp(mechanism, "PLAIN") == 0 ? 0 : openssl_load(err);

	if (rc < 0)
		return rc;
	if (strcmp(mechanism, "PLAIN") != 0 && strcmp(mechanism, "SCRAM-SHA-256") != 0 &&
	    strcmp(mechanism, "SCRAM-SHA-512") != 0)
		return err_set(err, E_UNSUPPORTED, "SASL mechanism %s is not supported", mechanism);
	s = xcalloc(1, sizeof(*s));
	s->mechanism = xstrdup(mechanism);
	s->user = xstrdup(user);
	s->password = xstrdup(password);
	s->is_token = is_token;
	*out = s;
	return 0;
}

void sasl_client_free(struct sasl_client *s)
{
	if (!s)
		return;
	explicit_bzero(s->password, strlen(s->password));
	free(s->mechanism);
	free(s->user);
	free(s->password);
	scram_fini(&s->scram);
	free(s);
}

bool sasl_client_is_done(const struct sasl_client *s)
{
	return s->is_done;
}

static int plain_step(struct sasl_client *s, struct out *token)
{
	if (s->step++ > 0) {
		s->is_done = true;
		return 0;
	}
	out_byte(token, '\0');
	out_text(token, s->user);
	out_byte(token, '\0');
	out_text(token, s->password);
	return 0;
}

int sasl_client_step(struct sasl_client *s, struct slice server, struct out *token,
		     struct err *err)
{
	assert(!s->is_done);
	if (strcmp(s->mechanism, "PLAIN") == 0)
		return plain_step(s, token);
	return scram_step(s, server, token, err);
}

/* ---- JAAS ------------------------------------------------------------------------------------ */

static const char *jaas_skip(const char *at)
{
	while (isspace((unsigned char)*at))
		at++;
	return at;
}

/* A bare word or a quoted one with backslashes; NULL at a missing quote. */
static const char *jaas_word(const char *at, struct arena *arena, char **word)
{
	size_t len = 0;
	char quote = *at == '"' || *at == '\'' ? *at++ : '\0';

	*word = arena_alloc(arena, strlen(at) + 1);
	for (; *at; at++) {
		if (quote ? *at == quote : isspace((unsigned char)*at) || *at == ';' || *at == '=')
			break;
		if (quote && *at == '\\' && at[1])
			at++;
		(*word)[len++] = *at;
	}
	(*word)[len] = '\0';
	if (!quote)
		return at;
	return *at == quote ? at + 1 : NULL;
}

int jaas_parse(const char *text, struct arena *arena, const char **module, const char **user,
	       const char **password, bool *is_token, struct err *err)
{
	const char *at = jaas_skip(text);
	char *word, *value;

	*user = *password = NULL;
	*is_token = false;
	at = jaas_word(at, arena, &word);
	*module = word;
	at = at ? jaas_skip(at) : NULL;
	if (at)
		at = jaas_word(at, arena, &word);
	if (!at || (strcasecmp(word, "required") != 0 && strcasecmp(word, "requisite") != 0 &&
		    strcasecmp(word, "sufficient") != 0 && strcasecmp(word, "optional") != 0))
		goto bad;
	for (at = jaas_skip(at); *at && *at != ';'; at = jaas_skip(at)) {
		at = jaas_word(at, arena, &word);
		at = at ? jaas_skip(at) : NULL;
		if (!at || *at != '=')
			goto bad;
		at = jaas_word(jaas_skip(at + 1), arena, &value);
		if (!at)
			goto bad;
		if (strcmp(word, "username") == 0)
			*user = value;
		else if (strcmp(word, "password") == 0)
			*password = value;
		else if (strcmp(word, "tokenauth") == 0)
			*is_token = strcasecmp(value, "true") == 0;
	}
	if (*at != ';')
		goto bad;
	return 0;
bad:
	return err_set(err, E_INVALID, "sasl.jaas.config: expected MODULE required "
				       "username=\"...\" password=\"...\";");
}
