/* The keyboard: bytes as a terminal sends them -> keys. Pure.
 *
 * An ESC may be the key or the beginning of another one: when keys_waits() says so, and nothing
 * has followed within KEYS_WAIT_MS, keys_timeout() makes it the key. */
#ifndef KAVKA_CMD_TOP_KEYS_H
#define KAVKA_CMD_TOP_KEYS_H

#include "base/buf.h"

#define KEYS_WAIT_MS 50

enum key {
	KEY_CHAR, /* with its text */
	KEY_ENTER,
	KEY_ESC,
	KEY_TAB,
	KEY_BACK_TAB,
	KEY_BACKSPACE,
	KEY_UP,
	KEY_DOWN,
	KEY_LEFT,
	KEY_RIGHT,
	KEY_PAGE_UP,
	KEY_PAGE_DOWN,
	KEY_HOME,
	KEY_END,
	KEY_REDRAW, /* Ctrl-L */
	KEY_ERASE,  /* Ctrl-U */
	KEY_NONE,   /* one that means nothing here */
};

struct keys {
	uint8_t held[16]; /* the beginning of a key */
	unsigned held_len;
	void (*pressed)(void *ctx, enum key key, struct str text);
	void *ctx;
};

void keys_feed(struct keys *k, const uint8_t *data, size_t len);
bool keys_waits(const struct keys *k);
void keys_timeout(struct keys *k);

#endif
