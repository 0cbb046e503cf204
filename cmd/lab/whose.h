/* Which process has the other end of a TCP connection on this machine, as /proc tells it. Needs no
 * rights over processes of the same user. */
#ifndef KAVKA_CMD_LAB_WHOSE_H
#define KAVKA_CMD_LAB_WHOSE_H

#include <netinet/in.h>
#include <sys/types.h>

/* The index of the process that has the socket with the address `own`, connected to `other`; -1:
 * none of them has it. Pids of 0 are passed over. */
int whose_socket(const struct sockaddr_in *own, const struct sockaddr_in *other, const pid_t *pids,
		 unsigned count);

#endif
