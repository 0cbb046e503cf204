/* Regular expressions as brokers take them for subscriptions: RE2's syntax, which has no look
 * around and no back references. */
#ifndef KAVKA_CMD_GROUPS_REGEX_H
#define KAVKA_CMD_GROUPS_REGEX_H

/* What is wrong with it, in RE2's words; NULL if nothing is. */
const char *regex_fault(const char *text);

#endif
