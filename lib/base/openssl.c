#define OPENSSL_NAMES_ONLY
#include "base/openssl.h"

#include "base/say.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#define SAY_PLACE "base/openssl"

static struct openssl functions;
static _Atomic(const struct openssl *) loaded;
static pthread_mutex_t loading = PTHREAD_MUTEX_INITIALIZER;

int openssl_load(struct err *err)
{
	static const char *const crypto_names[] = {CRYPTO_FUNCTIONS(LAZY_NAME)};
	static const char *const ssl_names[] = {SSL_FUNCTIONS(LAZY_NAME)};
	int rc = 0;

	if (atomic_load_explicit(&loaded, memory_order_acquire))
		return 0;
	pthread_mutex_lock(&loading);
	if (!atomic_load_explicit(&loaded, memory_order_relaxed)) {
		/* The struct begins with the first list, and the second follows. */
		rc = lazy_load("libcrypto.so.3", "libssl3", crypto_names, ARRAY_LEN(crypto_names),
			       &functions, err);
		if (rc == 0)
			rc = lazy_load("libssl.so.3", "libssl3", ssl_names, ARRAY_LEN(ssl_names),
				       (char *)&functions +
					       ARRAY_LEN(crypto_names) * sizeof(void *),
				       err);
		if (rc == 0)
			atomic_store_explicit(&loaded, &functions, memory_order_release);
	}
	pthread_mutex_unlock(&loading);
	return rc;
}

const struct openssl *openssl_get(void)
{
	const struct openssl *o = atomic_load_explicit(&loaded, memory_order_acquire);
	struct err err = {0};

	if (o)
		return o;
	if (openssl_load(&err) < 0) {
		say_error("%s", err.text);
		exit(EXIT_FAILURE);
	}
	return &functions;
}
