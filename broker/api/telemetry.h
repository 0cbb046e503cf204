/* What a shard knows of clients that send telemetry (KIP-714); see telemetry.c. */
#ifndef KAVKA_BROKER_API_TELEMETRY_H
#define KAVKA_BROKER_API_TELEMETRY_H

struct telemetry;

void telemetry_free(struct telemetry *t);	/* NULL is fine */

#endif
