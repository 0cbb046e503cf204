/* SCRAM, the client's side:
 *	C: n,,n=USER,r=NONCE[,tokenauth=true]
 *	S: r=NONCE+MORE,s=SALT,i=ITERATIONS
 *	C: c=biws,r=NONCE+MORE,p=PROOF
 *	S: v=SIGNATURE	or	e=ERROR */
#include "net/sasl_int.h"

#include "base/mem.h"
#include "base/openssl.h"
#include "base/rng.h"

#include <stdio.h>

#define ITERATIONS_MIN 4096
/* A server that asks for more would keep us busy for minutes. */
#define ITERATIONS_MAX 10000000
#define NONCE_BYTES 18

void scram_fini(struct scram *scram)
{
	free(scram->nonce);
	free(scram->first_bare);
}

void scram_set_nonce(struct sasl_client *s, char *nonce)
{
	free(s->scram.nonce);
	s->scram.nonce = nonce;
}

static const EVP_MD *scram_digest(const struct sasl_client *s)
{
	return s->mechanism[10] == '2' ? EVP_sha256() : EVP_sha512();
}

static void scram_first(struct sasl_client *s, struct out *token)
{
	struct out bare;

	if (!s->scram.nonce) {
		uint8_t random[NONCE_BYTES];
		char text[NONCE_BYTES * 2];

		rng_system(random, sizeof(random));
		EVP_EncodeBlock((unsigned char *)text, random, sizeof(random));
		s->scram.nonce = xstrdup(text);
	}
	out_init(&bare, 1 << 20);
	out_text(&bare, "n=");
	for (const char *at = s->user; *at; at++) {
		if (*at == ',')
			out_text(&bare, "=2C");
		else if (*at == '=')
			out_text(&bare, "=3D");
		else
			out_byte(&bare, (uint8_t)*at);
	}
	out_printf(&bare, ",r=%s%s", s->scram.nonce, s->is_token ? ",tokenauth=true" : "");
	s->scram.first_bare = xstrndup((char *)bare.data, bare.len);
	out_fini(&bare);
	out_text(token, "n,,");
	out_text(token, s->scram.first_bare);
}

/* The value of `key=` in a message of parts with commas; in `arena`, NULL if missing. */
static char *scram_part(struct arena *arena, struct slice message, char key)
{
	const char *at = (const char *)message.data, *end = at + message.len;

	while (at < end) {
		const char *comma = memchr(at, ',', (size_t)(end - at));
		const char *stop = comma ? comma : end;

		if (stop - at >= 2 && at[0] == key && at[1] == '=')
			return arena_strndup(arena, at + 2, (size_t)(stop - at - 2));
		at = stop + 1;
	}
	return NULL;
}

/* Decoded length, or -1. `out` has room for 3/4 of the text. */
static int base64_decode(const char *text, uint8_t *out)
{
	size_t len = strlen(text);
	int n;

	if (len == 0 || len % 4 || len > 65536)
		return -1;
	n = EVP_DecodeBlock(out, (const unsigned char *)text, (int)len);
	if (n < 0)
		return -1;
	return n - (text[len - 1] == '=') - (text[len - 2] == '=');
}

static void scram_hmac(const EVP_MD *md, const uint8_t *key, unsigned key_len, const char *text,
		       size_t len, uint8_t *out)
{
	unsigned out_len;

	HMAC(md, key, (int)key_len, (const unsigned char *)text, len, out, &out_len);
}

int scram_salted_password(const char *mechanism, const char *password, struct slice salt,
			  int iterations, uint8_t out[SCRAM_DIGEST_MAX], size_t *len,
			  struct err *err)
{
	bool is_256 = strcmp(mechanism, "SCRAM-SHA-256") == 0;
	const EVP_MD *md = is_256 ? EVP_sha256() : EVP_sha512();

	if (!is_256 && strcmp(mechanism, "SCRAM-SHA-512") != 0)
		return err_set(err, E_UNSUPPORTED, "there is no SCRAM mechanism %s", mechanism);
	*len = (size_t)EVP_MD_size(md);
	if (PKCS5_PBKDF2_HMAC(password, (int)strlen(password), salt.data, (int)salt.len, iterations,
			      md, (int)*len, out) != 1)
		return err_set(err, E_INVALID, "the password cannot be hashed");
	return 0;
}

/* Appends the final message; remembers what the server must answer. */
static int scram_final(struct sasl_client *s, struct arena *arena, struct slice server,
		       struct out *token, struct err *err)
{
	const EVP_MD *md = scram_digest(s);
	unsigned len = (unsigned)EVP_MD_size(md);
	char *nonce = scram_part(arena, server, 'r');
	char *salt_text = scram_part(arena, server, 's');
	char *count_text = scram_part(arena, server, 'i');
	uint8_t salted[64], client_key[64], stored_key[64], signature[64], server_key[64];
	char proof[128];
	char *without_proof, *message;
	uint8_t *salt;
	long count;
	int salt_len;

	if (!nonce || !salt_text || !count_text ||
	    strncmp(nonce, s->scram.nonce, strlen(s->scram.nonce)) != 0)
		return err_set(err, E_MALFORMED, "SCRAM: the server's first message");
	count = strtol(count_text, NULL, 10);
	salt = arena_alloc(arena, strlen(salt_text) + 4);
	salt_len = base64_decode(salt_text, salt);
	if (salt_len <= 0 || count < ITERATIONS_MIN || count > ITERATIONS_MAX)
		return err_set(err, E_MALFORMED, "SCRAM: the server's salt or iterations (%s)",
			       count_text);
	without_proof = arena_printf(arena, "c=biws,r=%s", nonce);
	message = arena_printf(arena, "%s,%.*s,%s", s->scram.first_bare, (int)server.len,
			       (const char *)server.data, without_proof);
	if (PKCS5_PBKDF2_HMAC(s->password, (int)strlen(s->password), salt, salt_len, (int)count, md,
			      (int)len, salted) != 1)
		return err_set(err, E_AUTH, "SCRAM: the password cannot be hashed");
	scram_hmac(md, salted, len, "Client Key", 10, client_key);
	EVP_Digest(client_key, len, stored_key, NULL, md, NULL);
	scram_hmac(md, stored_key, len, message, strlen(message), signature);
	for (unsigned i = 0; i < len; i++)
		client_key[i] ^= signature[i];
	scram_hmac(md, salted, len, "Server Key", 10, server_key);
	scram_hmac(md, server_key, len, message, strlen(message), s->scram.server_signature);
	s->scram.digest_len = len;
	EVP_EncodeBlock((unsigned char *)proof, client_key, (int)len);
	out_printf(token, "%s,p=%s", without_proof, proof);
	return 0;
}

static int scram_verify(struct sasl_client *s, struct arena *arena, struct slice server,
			struct err *err)
{
	char *error = scram_part(arena, server, 'e');
	char *text = scram_part(arena, server, 'v');
	uint8_t *signature;

	if (error)
		return err_set(err, E_AUTH, "the broker refused the password: %s", error);
	if (!text)
		return err_set(err, E_MALFORMED, "SCRAM: the server's last message");
	signature = arena_alloc(arena, strlen(text) + 4);
	if (base64_decode(text, signature) != (int)s->scram.digest_len ||
	    memcmp(signature, s->scram.server_signature, s->scram.digest_len) != 0)
		return err_set(err, E_AUTH, "the broker does not know the password itself");
	s->is_done = true;
	return 0;
}

int scram_step(struct sasl_client *s, struct slice server, struct out *token, struct err *err)
{
	struct arena arena;
	int rc = 0;

	arena_init(&arena);
	switch (s->step++) {
	case 0: scram_first(s, token); break;
	case 1: rc = scram_final(s, &arena, server, token, err); break;
	default: rc = scram_verify(s, &arena, server, err); break;
	}
	arena_fini(&arena);
	return rc;
}
