/* Floating point numbers as Java's toString() writes them: the shortest digits that read back as
 * the same number, "1.0", "1.0E10", "NaN", "-Infinity". */
#ifndef KAVKA_CMD_NUMBER_TEXT_H
#define KAVKA_CMD_NUMBER_TEXT_H

#include <stdint.h>

#define NUMBER_TEXT_MAX 64

/* From the IEEE bits; return `text`. */
char *number_text_float(uint32_t bits, char text[NUMBER_TEXT_MAX]);
char *number_text_double(uint64_t bits, char text[NUMBER_TEXT_MAX]);

#endif
