/* The lazy door: shared libraries that few runs need are loaded when a run first needs them, so
 * that all others start without them.
 *
 *	#define CURL_FUNCTIONS(X) X(curl_easy_init) X(curl_easy_perform)
 *	struct curl_library {
 *		CURL_FUNCTIONS(LAZY_FIELD)		// fields named as the functions
 *	};
 *	static const char *const curl_names[] = {CURL_FUNCTIONS(LAZY_NAME)};
 *
 *	rc = lazy_load("libcurl.so.4", "libcurl4", curl_names, ARRAY_LEN(curl_names), &lib, &err);
 *	lib.curl_easy_init();
 *
 * The struct holds nothing but these fields. A loaded library stays until the process ends.
 * Any thread. */
#ifndef KAVKA_BASE_LAZY_H
#define KAVKA_BASE_LAZY_H

#include "base/err.h"

#define LAZY_FIELD(name) __typeof__(&name) name;
#define LAZY_NAME(name) #name,

/* Loads `soname`, fills the `count` function pointers at `functions` in the order of `names`.
 * `package`: Debian's name of it, for the message.
 * 0 or E_NOT_FOUND: "needs libcurl.so.4 (apt install libcurl4)". */
MUST_USE int lazy_load(const char *soname, const char *package, const char *const *names,
		       size_t count, void *functions, struct err *err);

#endif
