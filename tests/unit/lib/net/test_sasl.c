/* SASL tokens: the RFCs' own examples, what must be refused, and JAAS lines as users write them. */
#include "net/sasl.h"
#include "net/sasl_int.h"

#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static struct slice borrow(const char *text)
{
	return (struct slice){NULL, (const uint8_t *)text, strlen(text)};
}

static void plain_sends_name_and_password_once(void **state)
{
	struct sasl_client *s;
	struct out token;

	(void)state;
	out_init(&token, 1024);
	assert_int_equal(sasl_client_new(&s, "PLAIN", "tim", "tanstaaftanstaaf", false, NULL), 0);
	assert_int_equal(sasl_client_step(s, SLICE_NULL, &token, NULL), 0);
	assert_int_equal(token.len, 21);
	assert_memory_equal(token.data, "\0tim\0tanstaaftanstaaf", 21);
	assert_false(sasl_client_is_done(s));
	assert_int_equal(sasl_client_step(s, borrow(""), &token, NULL), 0);
	assert_true(sasl_client_is_done(s));
	assert_int_equal(token.len, 21);
	sasl_client_free(s);
	out_fini(&token);
}

/* RFC 7677, section 3. */
#define SERVER_FIRST \
	"r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"

#define SERVER_LAST_REST "rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="
#define SERVER_LAST "v=6" SERVER_LAST_REST

static struct sasl_client *scram_start(struct out *token)
{
	struct sasl_client *s;

	assert_int_equal(sasl_client_new(&s, "SCRAM-SHA-256", "user", "pencil", false, NULL), 0);
	scram_set_nonce(s, xstrdup("rOprNGfwEbeRWgbNEkqO"));
	out_init(token, 4096);
	assert_int_equal(sasl_client_step(s, SLICE_NULL, token, NULL), 0);
	out_byte(token, '\0');
	assert_string_equal((char *)token->data, "n,,n=user,r=rOprNGfwEbeRWgbNEkqO");
	out_reset(token);
	return s;
}

static void scram_gives_the_proof_of_the_rfc(void **state)
{
	struct out token;
	struct sasl_client *s = scram_start(&token);

	(void)state;
	assert_int_equal(sasl_client_step(s, borrow(SERVER_FIRST), &token, NULL), 0);
	out_byte(&token, '\0');
	assert_string_equal((char *)token.data,
			    "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
			    "p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=");
	out_reset(&token);
	assert_int_equal(sasl_client_step(s, borrow(SERVER_LAST), &token, NULL), 0);
	assert_true(sasl_client_is_done(s));
	assert_int_equal(token.len, 0);
	sasl_client_free(s);
	out_fini(&token);
}

static void scram_refuses_servers_that_cheat(void **state)
{
	static const char *const firsts[] = {
		"", "r=other,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
		"r=rOprNGfwEbeRWgbNEkqOx,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=1",
		"r=rOprNGfwEbeRWgbNEkqOx,s=***=,i=4096", "r=rOprNGfwEbeRWgbNEkqOx,i=4096",
	};
	struct err err;
	struct out token;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(firsts); i++) {
		struct sasl_client *s = scram_start(&token);

		assert_int_equal(sasl_client_step(s, borrow(firsts[i]), &token, &err),
				 E_MALFORMED);
		sasl_client_free(s);
		out_fini(&token);
	}
	for (int i = 0; i < 2; i++) {
		struct sasl_client *s = scram_start(&token);

		assert_int_equal(sasl_client_step(s, borrow(SERVER_FIRST), &token, NULL), 0);
		assert_int_equal(
			sasl_client_step(s,
					 borrow(i ? "e=invalid-proof" : "v=7" SERVER_LAST_REST),
					 &token, &err),
			E_AUTH);
		assert_false(sasl_client_is_done(s));
		sasl_client_free(s);
		out_fini(&token);
	}
}

static void jaas_lines_are_read_as_java_does(void **state)
{
	const char *module, *user, *password;
	bool is_token;
	struct arena arena;
	struct err err;

	(void)state;
	arena_init(&arena);
	assert_int_equal(jaas_parse("org.apache.kafka.common.security.plain.PlainLoginModule "
				    "required username=\"al\\\"ice\" password='s p;=';",
				    &arena, &module, &user, &password, &is_token, &err), 0);
	assert_string_equal(module, "org.apache.kafka.common.security.plain.PlainLoginModule");
	assert_string_equal(user, "al\"ice");
	assert_string_equal(password, "s p;=");
	assert_false(is_token);
	assert_int_equal(jaas_parse(" X  required\n username = bob\n tokenauth=true password=x ;",
				    &arena, &module, &user, &password, &is_token, &err), 0);
	assert_string_equal(user, "bob");
	assert_string_equal(password, "x");
	assert_true(is_token);
	assert_int_equal(jaas_parse("X required username=\"bob\"", &arena, &module, &user,
				    &password, &is_token, &err), E_INVALID);
	assert_int_equal(jaas_parse("X username=\"bob\";", &arena, &module, &user, &password,
				    &is_token, &err), E_INVALID);
	assert_int_equal(jaas_parse("X required username=\"bob;", &arena, &module, &user,
				    &password, &is_token, &err), E_INVALID);
	arena_fini(&arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(plain_sends_name_and_password_once),
		cmocka_unit_test(scram_gives_the_proof_of_the_rfc),
		cmocka_unit_test(scram_refuses_servers_that_cheat),
		cmocka_unit_test(jaas_lines_are_read_as_java_does),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
