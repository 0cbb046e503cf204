/* TLS must carry frames and files as plain connections do, and refuse peers it has no reason to
 * trust. Keys and certificates are made here, as PEM and as PKCS12. */
#include "net/conn.h"
#include "net/tls.h"

#include "base/mem.h"

#include <errno.h>
#include <netinet/in.h>
#include <openssl/pem.h>
#include <openssl/pkcs12.h>
#include <openssl/x509v3.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

static char dir[] = "/tmp/kavka-tls-XXXXXX";
static char ca_pem[64], server_pem[64], client_pem[64], other_pem[64];
static char server_p12[64], trust_p12[64];
static char *server_key_text, *server_chain_text, *ca_text;

/* ---- Certificates ---------------------------------------------------------------------------- */

static void extension(X509 *cert, X509 *issuer, int nid, const char *value)
{
	X509V3_CTX ctx;
	X509_EXTENSION *ext;

	X509V3_set_ctx_nodb(&ctx);
	X509V3_set_ctx(&ctx, issuer, cert, NULL, NULL, 0);
	ext = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
	assert_non_null(ext);
	X509_add_ext(cert, ext, -1);
	X509_EXTENSION_free(ext);
}

static X509 *make_cert(EVP_PKEY *key, const char *name, const char *alt, X509 *ca, EVP_PKEY *ca_key)
{
	X509 *cert = X509_new();
	X509_NAME *subject;
	static long serial;

	X509_set_version(cert, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(cert), ++serial);
	X509_gmtime_adj(X509_getm_notBefore(cert), -3600);
	X509_gmtime_adj(X509_getm_notAfter(cert), 3600);
	X509_set_pubkey(cert, key);
	subject = X509_get_subject_name(cert);
	X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, (const unsigned char *)name, -1, -1,
				   0);
	X509_set_issuer_name(cert, ca ? X509_get_subject_name(ca) : subject);
	extension(cert, ca ? ca : cert, NID_basic_constraints,
		  ca ? "CA:FALSE" : "critical,CA:TRUE");
	if (alt)
		extension(cert, ca ? ca : cert, NID_subject_alt_name, alt);
	X509_sign(cert, ca_key ? ca_key : key, EVP_sha256());
	return cert;
}

static void write_pem(char path[64], const char *name, EVP_PKEY *key, X509 *cert)
{
	FILE *f;

	snprintf(path, 64, "%s/%s", dir, name);
	f = fopen(path, "w");
	assert_non_null(f);
	/* The certificate first: the key need not stand in front. */
	PEM_write_X509(f, cert);
	if (key)
		PEM_write_PKCS8PrivateKey(f, key, NULL, NULL, 0, NULL, NULL);
	fclose(f);
}

static void write_p12(char path[64], const char *name, EVP_PKEY *key, X509 *cert, X509 *ca)
{
	STACK_OF(X509) *chain = sk_X509_new_null();
	PKCS12 *p12;
	FILE *f;

	if (ca)
		sk_X509_push(chain, ca);
	p12 = PKCS12_create("secret", "name", key, cert, chain, 0, 0, 0, 0, 0);
	assert_non_null(p12);
	snprintf(path, 64, "%s/%s", dir, name);
	f = fopen(path, "wb");
	i2d_PKCS12_fp(f, p12);
	fclose(f);
	PKCS12_free(p12);
	sk_X509_free(chain);
}

static char *bio_text(BIO *bio)
{
	char *data;
	long len = BIO_get_mem_data(bio, &data);
	char *text = xstrndup(data, (size_t)len);

	BIO_free(bio);
	return text;
}

static int make_all(void **state)
{
	EVP_PKEY *ca_key = EVP_EC_gen("P-256"), *key = EVP_EC_gen("P-256");
	EVP_PKEY *other_key = EVP_EC_gen("P-256");
	X509 *ca = make_cert(ca_key, "kavka test ca", NULL, NULL, NULL);
	X509 *server = make_cert(key, "server", "DNS:localhost,IP:127.0.0.1", ca, ca_key);
	X509 *client = make_cert(key, "alice", NULL, ca, ca_key);
	X509 *other = make_cert(other_key, "other", NULL, NULL, NULL);
	BIO *bio;

	(void)state;
	assert_non_null(mkdtemp(dir));
	write_pem(ca_pem, "ca.pem", NULL, ca);
	write_pem(server_pem, "server.pem", key, server);
	write_pem(client_pem, "client.pem", key, client);
	write_pem(other_pem, "other.pem", NULL, other);
	write_p12(server_p12, "server.p12", key, server, ca);
	write_p12(trust_p12, "trust.p12", NULL, NULL, ca);
	bio = BIO_new(BIO_s_mem());
	PEM_write_bio_PKCS8PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL);
	server_key_text = bio_text(bio);
	bio = BIO_new(BIO_s_mem());
	PEM_write_bio_X509(bio, server);
	server_chain_text = bio_text(bio);
	bio = BIO_new(BIO_s_mem());
	PEM_write_bio_X509(bio, ca);
	ca_text = bio_text(bio);
	X509_free(ca);
	X509_free(server);
	X509_free(client);
	X509_free(other);
	EVP_PKEY_free(ca_key);
	EVP_PKEY_free(key);
	EVP_PKEY_free(other_key);
	return 0;
}

static int remove_all(void **state)
{
	const char *paths[] = {ca_pem, server_pem, client_pem, other_pem, server_p12, trust_p12};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(paths); i++)
		unlink(paths[i]);
	rmdir(dir);
	free(server_key_text);
	free(server_chain_text);
	free(ca_text);
	return 0;
}

/* ---- Two sides ------------------------------------------------------------------------------- */

struct side {
	struct conn conn;
	bool is_open, is_closed, is_freed;
	int rc;
	struct err err;
	struct out received;
	int sent_count;
};

static void side_connected(struct conn *c)
{
	((struct side *)c->owner)->is_open = true;
}

static void side_frame(struct conn *c, struct slice frame)
{
	out_bytes(&((struct side *)c->owner)->received, frame.data, frame.len);
	slice_unref(&frame);
}

static void side_closed(struct conn *c, int rc, const struct err *err)
{
	struct side *s = c->owner;

	s->is_closed = true;
	s->rc = rc;
	s->err = *err;
}

static void side_freed(struct conn *c)
{
	((struct side *)c->owner)->is_freed = true;
}

static const struct conn_ops side_ops = {
	.connected = side_connected,
	.frame = side_frame,
	.closed = side_closed,
	.freed = side_freed,
};

struct pair {
	struct side client, server;
	struct tls_context *client_ctx, *server_ctx;
	int fd;
};

static struct tls_context *context(const struct tls_options *o)
{
	struct tls_context *ctx = NULL;
	struct err err = {0};

	if (tls_context_new(&ctx, o, &err) < 0)
		fail_msg("%s", err.text);
	return ctx;
}

/* Connects both and runs until both are open, or one is closed. */
static void pair_start(struct pair *p, const struct tls_options *client,
		       const struct tls_options *server, const char *name)
{
	struct sockaddr_in in = {.sin_family = AF_INET};
	socklen_t len = sizeof(in);
	int fd;

	memset(p, 0, sizeof(*p));
	out_init(&p->client.received, 1 << 28);
	out_init(&p->server.received, 1 << 28);
	p->client_ctx = client ? context(client) : NULL;
	p->server_ctx = server ? context(server) : NULL;
	p->fd = socket(AF_INET, SOCK_STREAM, 0);
	in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(bind(p->fd, (struct sockaddr *)&in, sizeof(in)), 0);
	assert_int_equal(listen(p->fd, 1), 0);
	getsockname(p->fd, (struct sockaddr *)&in, &len);
	p->client.conn.owner = &p->client;
	p->client.conn.frame_bytes_max = 1 << 27;
	p->server.conn.owner = &p->server;
	p->server.conn.frame_bytes_max = 1 << 27;
	assert_int_equal(conn_connect(&p->client.conn, uv_default_loop(), &side_ops,
				      (struct sockaddr *)&in, p->client_ctx, name, NULL), 0);
	fd = accept4(p->fd, NULL, NULL, SOCK_NONBLOCK);
	assert_int_equal(conn_accept(&p->server.conn, uv_default_loop(), &side_ops, fd,
				     p->server_ctx, NULL), 0);
	/* With TLS on one side only, that one waits for the other's first bytes. */
	while (!(p->client.is_open && (p->server.is_open || !client)) && !p->client.is_closed &&
	       !p->server.is_closed)
		uv_run(uv_default_loop(), UV_RUN_ONCE);
}

static void pair_end(struct pair *p)
{
	if (!p->client.is_freed)
		conn_close(&p->client.conn);
	if (!p->server.is_freed)
		conn_close(&p->server.conn);
	uv_run(uv_default_loop(), UV_RUN_DEFAULT);
	assert_true(p->client.is_freed && p->server.is_freed);
	tls_context_unref(p->client_ctx);
	tls_context_unref(p->server_ctx);
	out_fini(&p->client.received);
	out_fini(&p->server.received);
	close(p->fd);
}

static struct tls_options pem_server(void)
{
	return (struct tls_options){.is_server = true, .keystore_type = "PEM",
				    .keystore_location = server_pem, .truststore_type = "PEM",
				    .truststore_location = ca_pem};
}

static struct tls_options pem_client(void)
{
	return (struct tls_options){.truststore_type = "PEM", .truststore_location = ca_pem,
				    .verify_host = true};
}

struct sending {
	struct frame_out f;
	struct piece pieces[3];
	struct side *side;
};

static void sending_sent(struct frame_out *f, int rc)
{
	struct sending *s = CONTAINER_OF(f, struct sending, f);

	assert_int_equal(rc, 0);
	s->side->sent_count++;
}

/* ---- Tests ----------------------------------------------------------------------------------- */

static void frames_and_files_pass(void **state)
{
	struct tls_options client = pem_client(), server = pem_server();
	size_t len = 3 << 20;
	uint8_t *bytes = xmalloc(len), head[4];
	char path[] = "/tmp/kavka-tls-file-XXXXXX";
	struct file_ref *file;
	struct sending s;
	struct pair p;
	int fd = mkstemp(path);

	(void)state;
	unlink(path);
	for (size_t i = 0; i < len; i++)
		bytes[i] = (uint8_t)(i * 31 >> 4);
	assert_int_equal(write(fd, bytes, len), (ssize_t)len);
	file = file_ref_new(fd);
	pair_start(&p, &client, &server, "localhost");
	assert_true(p.client.is_open && p.server.is_open);
	put_be32(head, (uint32_t)(2 * len - 1));
	s = (struct sending){.side = &p.server};
	s.pieces[0].bytes = (struct slice){NULL, head, 4};
	s.pieces[1].bytes = (struct slice){NULL, bytes, len};
	s.pieces[2].range = (struct file_range){file, 1, len - 1};
	s.f.pieces = s.pieces;
	s.f.piece_count = 3;
	s.f.sent = sending_sent;
	conn_send(&p.server.conn, &s.f);
	while (p.client.received.len < 2 * len - 1) {
		assert_false(p.client.is_closed);
		uv_run(uv_default_loop(), UV_RUN_ONCE);
	}
	assert_memory_equal(p.client.received.data, bytes, len);
	assert_memory_equal(p.client.received.data + len, bytes + 1, len - 1);
	while (!p.server.sent_count)
		uv_run(uv_default_loop(), UV_RUN_ONCE);
	/* A clean end is told as one. */
	conn_close(&p.server.conn);
	while (!p.client.is_closed)
		uv_run(uv_default_loop(), UV_RUN_ONCE);
	assert_int_equal(p.client.rc, 0);
	pair_end(&p);
	file_unref(file);
	free(bytes);
}

static void every_kind_of_store_works(void **state)
{
	struct tls_options clients[3] = {pem_client(), pem_client(), pem_client()};
	struct tls_options servers[3] = {pem_server(), pem_server(), pem_server()};

	(void)state;
	clients[1].truststore_type = "PKCS12";
	clients[1].truststore_location = trust_p12;
	clients[1].truststore_password = "secret";
	servers[1].keystore_type = "PKCS12";
	servers[1].keystore_location = server_p12;
	servers[1].keystore_password = "secret";
	clients[2].truststore_location = NULL;
	clients[2].truststore_certificates = ca_text;
	clients[2].protocol = "TLSv1.2";
	servers[2].keystore_location = NULL;
	servers[2].keystore_key = server_key_text;
	servers[2].keystore_certificate_chain = server_chain_text;
	for (int i = 0; i < 3; i++) {
		struct pair p;

		pair_start(&p, &clients[i], &servers[i], i ? "127.0.0.1" : "localhost");
		if (!p.client.is_open)
			fail_msg("store %d: %s %s", i, p.client.err.text, p.server.err.text);
		pair_end(&p);
	}
}

static void peers_without_reason_to_be_trusted_are_refused(void **state)
{
	struct tls_options client = pem_client(), server = pem_server();
	struct pair p;

	(void)state;
	client.truststore_location = other_pem;
	pair_start(&p, &client, &server, "localhost");
	while (!p.client.is_closed)
		uv_run(uv_default_loop(), UV_RUN_ONCE);
	assert_int_equal(p.client.rc, E_AUTH);
	assert_non_null(strstr(p.client.err.text, "certificate"));
	pair_end(&p);

	/* The right authority, the wrong name; and that only matters if it is looked at. */
	client = pem_client();
	pair_start(&p, &client, &server, "kafka.example");
	while (!p.client.is_closed)
		uv_run(uv_default_loop(), UV_RUN_ONCE);
	assert_int_equal(p.client.rc, E_AUTH);
	pair_end(&p);
	client.verify_host = false;
	pair_start(&p, &client, &server, "kafka.example");
	assert_true(p.client.is_open);
	pair_end(&p);
}

static void servers_can_ask_for_the_clients_certificate(void **state)
{
	struct tls_options client = pem_client(), server = pem_server();
	struct pair p;

	(void)state;
	server.client_auth = TLS_CLIENT_AUTH_REQUIRED;
	pair_start(&p, &client, &server, "localhost");
	while (!p.server.is_closed)
		uv_run(uv_default_loop(), UV_RUN_ONCE);
	assert_int_equal(p.server.rc, E_AUTH);
	pair_end(&p);
	client.keystore_type = "PEM";
	client.keystore_location = client_pem;
	pair_start(&p, &client, &server, "localhost");
	assert_true(p.client.is_open && p.server.is_open);
	pair_end(&p);
}

static void a_plain_peer_ends_in_the_handshake(void **state)
{
	struct tls_options server = pem_server();
	static const uint8_t request[] = {0, 0, 0, 8, 0, 18, 0, 0, 0, 0, 0, 1};
	struct sending s = {0};
	struct pair p;

	(void)state;
	pair_start(&p, NULL, &server, NULL);
	s.side = &p.client;
	s.pieces[0].bytes = (struct slice){NULL, request, sizeof(request)};
	s.f.pieces = s.pieces;
	s.f.piece_count = 1;
	s.f.sent = sending_sent;
	conn_send(&p.client.conn, &s.f);
	while (!p.server.is_closed || !p.client.is_closed)
		uv_run(uv_default_loop(), UV_RUN_ONCE);
	assert_int_equal(p.server.rc, E_AUTH);
	assert_non_null(strstr(p.server.err.text, "TLS handshake"));
	pair_end(&p);
}

static void combinations_that_kafka_refuses_are_refused(void **state)
{
	struct tls_options o[6];
	struct tls_context *ctx;
	struct err err = {0};

	(void)state;
	for (int i = 0; i < 6; i++)
		o[i] = pem_server();
	o[0].keystore_password = "x";
	o[1].keystore_key = server_key_text;
	o[2].keystore_location = ca_pem;	/* no key in it */
	o[3].keystore_location = "/nonexistent.pem";
	o[4].keystore_type = "PKCS12";
	o[4].keystore_location = server_p12;
	o[4].keystore_password = "wrong";
	o[5].enabled_protocols = "SSLv3";
	for (int i = 0; i < 6; i++) {
		int rc = tls_context_new(&ctx, &o[i], &err);

		if (rc == 0)
			fail_msg("combination %d was accepted", i);
		assert_int_equal(rc, i == 2 || i == 4 ? E_AUTH : i == 3 ? -ENOENT : E_INVALID);
		assert_true(err.text[0]);
	}
}

/* A handshake of two sessions without a loop; the client takes whatever comes. */
static void inspected(const char *trust, const char *name, struct arena *arena,
		      struct tls_peer *out)
{
	struct tls_options server = pem_server();
	struct tls_options client = {.truststore_type = "PEM", .truststore_location = trust,
				     .verify_host = true};
	struct tls_context *contexts[2] = {context(&client), context(&server)};
	struct tls_session *s[2];
	int rc[2] = {-EAGAIN, -EAGAIN}, fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
	for (int i = 0; i < 2; i++)
		assert_int_equal(tls_session_new(&s[i], contexts[i], fds[i], i ? NULL : name, NULL),
				 0);
	tls_session_accept_any(s[0]);
	for (int turn = 0; turn < 20 && (rc[0] || rc[1]); turn++)
		for (int i = 0; i < 2; i++)
			rc[i] = rc[i] ? tls_handshake(s[i], NULL) : 0;
	assert_int_equal(rc[0], 0);
	tls_peer_inspect(s[0], name, arena, out);
	for (int i = 0; i < 2; i++) {
		tls_session_free(s[i]);
		tls_context_unref(contexts[i]);
		close(fds[i]);
	}
}

static void what_a_peer_shows_is_told_part_by_part(void **state)
{
	struct tls_peer peer;
	struct arena arena;

	(void)state;
	arena_init(&arena);
	inspected(ca_pem, "localhost", &arena, &peer);
	assert_true(peer.is_trusted && peer.has_name);
	assert_string_equal(peer.protocol, "TLSv1.3");
	assert_true(peer.cert_count >= 1);
	assert_string_equal(peer.certs[0].subject, "CN=server");
	assert_string_equal(peer.certs[0].issuer, "CN=kavka test ca");
	assert_string_equal(peer.certs[0].names, "localhost, 127.0.0.1");
	assert_int_equal(peer.certs[0].not_after_s - peer.certs[0].not_before_s, 7200);
	inspected(other_pem, "kafka.example", &arena, &peer);
	assert_true(!peer.is_trusted && !peer.has_name);
	assert_true(peer.distrust[0]);
	inspected(ca_pem, "127.0.0.1", &arena, &peer);
	assert_true(peer.has_name);
	arena_fini(&arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(frames_and_files_pass),
		cmocka_unit_test(every_kind_of_store_works),
		cmocka_unit_test(peers_without_reason_to_be_trusted_are_refused),
		cmocka_unit_test(servers_can_ask_for_the_clients_certificate),
		cmocka_unit_test(a_plain_peer_ends_in_the_handshake),
		cmocka_unit_test(combinations_that_kafka_refuses_are_refused),
		cmocka_unit_test(what_a_peer_shows_is_told_part_by_part),
	};

	return cmocka_run_group_tests(tests, make_all, remove_all);
}
