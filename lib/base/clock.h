/* The machine's clocks, for shells (cmd, server, client). Cores get time from their env. */
#ifndef KAVKA_BASE_CLOCK_H
#define KAVKA_BASE_CLOCK_H

#include <stdint.h>

int64_t clock_wall_ms(void);	/* since 1970, as Kafka's timestamps; may jump */
int64_t clock_mono_ms(void);	/* for intervals; never jumps */
int64_t clock_mono_us(void);

#endif
