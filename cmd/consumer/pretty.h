/* JSON in many lines, indented, its tokens left as they are. */
#ifndef KAVKA_CMD_CONSUMER_PRETTY_H
#define KAVKA_CMD_CONSUMER_PRETTY_H

#include "base/buf.h"

#include <stdbool.h>

/* Appends `text` with each member on its own line. False: it is no object or array whose brackets
 * and quotes match; what was appended is to be thrown away. */
bool pretty_write(struct out *out, struct str text);

#endif
