#include "base/lazy.h"

#include <dlfcn.h>
#include <string.h>

int lazy_load(const char *soname, const char *package, const char *const *names, size_t count,
	      void *functions, struct err *err)
{
	char *field = functions;
	void *handle = dlopen(soname, RTLD_NOW);

	if (!handle)
		return err_set(err, E_NOT_FOUND, "needs %s (apt install %s)", soname, package);
	for (size_t i = 0; i < count; i++, field += sizeof(void *)) {
		void *function = dlsym(handle, names[i]);

		if (!function)
			return err_set(err, E_NOT_FOUND, "%s has no %s", soname, names[i]);
		memcpy(field, &function, sizeof(function));
	}
	return 0;
}
