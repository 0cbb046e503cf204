/* Broken if this fails: a shard waits for the disk where it should not, or is told to wait for what
 * it could have at once. */
#include "unit/support.h"

#include "base/env.h"
#include "base/err.h"

#include <fcntl.h>
#include <unistd.h>

#define FILE_BYTES (1024 * 1024)
#define PAGE_BYTES 4096

static int file_new(struct env *env)
{
	static char bytes[FILE_BYTES];
	char path[] = "/tmp/kavka-env-XXXXXX";
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	assert_int_equal(unlink(path), 0);
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (char)(i / PAGE_BYTES);
	assert_int_equal(env_write(env, fd, bytes, sizeof(bytes), 0), 0);
	return fd;
}

static void what_was_written_is_hot(void **state)
{
	char bytes[3 * PAGE_BYTES];
	struct env env;
	int fd;

	(void)state;
	env_posix_init(&env);
	fd = file_new(&env);
	assert_true(env_is_hot(&env, fd, 0, FILE_BYTES));
	assert_true(env_is_hot(&env, fd, 5000, 1));
	assert_true(env_is_hot(&env, fd, 0, 0));
	assert_int_equal(env_read_hot(&env, fd, bytes, sizeof(bytes), PAGE_BYTES), sizeof(bytes));
	assert_int_equal(bytes[0], 1);
	assert_int_equal(bytes[sizeof(bytes) - 1], 3);
	/* The end of the file is no reason to wait. */
	assert_int_equal(env_read_hot(&env, fd, bytes, 100, FILE_BYTES - 10), 10);
	assert_int_equal(env_read_hot(&env, fd, bytes, 100, FILE_BYTES), 0);
	env.ops->close(&env, fd);
}

static void what_is_on_the_disk_only_is_cold(void **state)
{
	char bytes[PAGE_BYTES];
	struct env env;
	int fd;

	(void)state;
	env_posix_init(&env);
	fd = file_new(&env);
	assert_int_equal(env.ops->fsync(&env, fd), 0);
	assert_int_equal(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED), 0);
	if (env_is_hot(&env, fd, 0, FILE_BYTES)) {
		env.ops->close(&env, fd);
		skip();	/* a file system in memory */
	}
	assert_int_equal(env_read_hot(&env, fd, bytes, sizeof(bytes), 0), E_COLD);
	assert_int_equal(env_read(&env, fd, bytes, sizeof(bytes), 0), sizeof(bytes));
	assert_int_equal(env_read_hot(&env, fd, bytes, sizeof(bytes), 0), sizeof(bytes));
	env.ops->prefetch(&env, fd, 0, FILE_BYTES);
	for (int64_t pos = 0; pos < FILE_BYTES; pos += PAGE_BYTES)
		assert_int_equal(env_read(&env, fd, bytes, sizeof(bytes), pos), sizeof(bytes));
	assert_true(env_is_hot(&env, fd, 0, FILE_BYTES));
	env.ops->close(&env, fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_written_is_hot),
		cmocka_unit_test(what_is_on_the_disk_only_is_cold),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
