#include "cmd/lab/whose.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define ADDR_TEXT_MAX 48

/* An address as /proc/net/tcp and tcp6 have it: the bytes of each 32-bit word as a number of this
 * machine. */
static void addr_text(const struct sockaddr_in *a, bool is_v6, char text[ADDR_TEXT_MAX])
{
	snprintf(text, ADDR_TEXT_MAX, "%s%08" PRIX32 ":%04X",
		 is_v6 ? (htonl(1) == 1 ? "00000000000000000000FFFF" : "0000000000000000FFFF0000")
		       : "",
		 a->sin_addr.s_addr, ntohs(a->sin_port));
}

/* "sl local remote state queues timer retransmits uid timeout inode ..." */
static uint64_t table_find(const char *path, bool is_v6, const struct sockaddr_in *own,
			   const struct sockaddr_in *other)
{
	char own_text[ADDR_TEXT_MAX], other_text[ADDR_TEXT_MAX], local[ADDR_TEXT_MAX],
		remote[ADDR_TEXT_MAX], line[512];
	uint64_t inode = 0, found;
	FILE *f = fopen(path, "re");

	if (!f)
		return 0;
	addr_text(own, is_v6, own_text);
	addr_text(other, is_v6, other_text);
	while (inode == 0 && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%*s %47s %47s %*s %*s %*s %*s %*s %*s %" SCNu64, local, remote,
			   &found) == 3 &&
		    strcmp(local, own_text) == 0 && strcmp(remote, other_text) == 0)
			inode = found;
	}
	fclose(f);
	return inode;
}

static bool process_has(pid_t pid, uint64_t inode)
{
	char dir[64], wanted[64], path[NAME_MAX + 80], target[64];
	struct dirent *entry;
	bool is_there = false;
	DIR *d;

	snprintf(dir, sizeof(dir), "/proc/%d/fd", (int)pid);
	snprintf(wanted, sizeof(wanted), "socket:[%" PRIu64 "]", inode);
	d = opendir(dir);
	if (!d)
		return false;
	while (!is_there && (entry = readdir(d))) {
		ssize_t len;

		snprintf(path, sizeof(path), "%s/%s", dir, entry->d_name);
		len = readlink(path, target, sizeof(target) - 1);
		if (len <= 0)
			continue;
		target[len] = '\0';
		is_there = strcmp(target, wanted) == 0;
	}
	closedir(d);
	return is_there;
}

int whose_socket(const struct sockaddr_in *own, const struct sockaddr_in *other, const pid_t *pids,
		 unsigned count)
{
	uint64_t inode = table_find("/proc/net/tcp", false, own, other);

	if (inode == 0)
		inode = table_find("/proc/net/tcp6", true, own, other);
	for (unsigned i = 0; inode != 0 && i < count; i++)
		if (pids[i] > 0 && process_has(pids[i], inode))
			return (int)i;
	return -1;
}
