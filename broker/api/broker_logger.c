#include "api/broker_logger.h"

#include "base/say.h"

#define ROOT "root"
#define LEVELS "TRACE, DEBUG, INFO, WARN, ERROR, FATAL"

static const struct {
	const char *name;
	enum say_level level;
} levels[] = {
	/* first those that are shown */
	{"DEBUG", SAY_DEBUG}, {"INFO", SAY_INFO},   {"WARN", SAY_WARN},
	{"ERROR", SAY_ERROR}, {"TRACE", SAY_DEBUG}, {"FATAL", SAY_ERROR},
};

void broker_logger_get(unsigned index, struct str *name, struct str *level)
{
	enum say_level now = say_level();

	assert(index < BROKER_LOGGER_COUNT);
	*name = STR_LIT(ROOT);
	*level = STR_LIT("FATAL");
	for (size_t i = ARRAY_LEN(levels); i-- > 0;)
		if (levels[i].level == now)
			*level = str_of(levels[i].name);
}

static bool level_of(struct str text, enum say_level *level)
{
	for (size_t i = 0; i < ARRAY_LEN(levels); i++)
		if (str_is(text, levels[i].name)) {
			*level = levels[i].level;
			return true;
		}
	return false;
}

int broker_logger_check(struct str name, int8_t op, struct str level, struct err *err)
{
	enum say_level parsed;

	if (op == LOGGER_APPEND || op == LOGGER_SUBTRACT)
		return err_set(err, E_USAGE,
			       "%s operation is not allowed for the BROKER_LOGGER resource",
			       op == LOGGER_APPEND ? "APPEND" : "SUBTRACT");
	if (op != LOGGER_SET && op != LOGGER_DELETE)
		return err_set(err, E_USAGE, "Unknown operation type %d is not allowed for the "
					     "BROKER_LOGGER resource", op);
	if (!str_is(name, ROOT))
		return err_set(err, E_NOT_FOUND, "Logger %.*s does not exist!", STR(name));
	if (op == LOGGER_DELETE)
		return err_set(err, E_USAGE,
			       "Removing the log level of the " ROOT " logger is not allowed");
	if (!level_of(level, &parsed))
		return err_set(
			err, E_INVALID,
			"Cannot set the log level of %.*s to %.*s as it is not a supported log "
			"level. Valid log levels are " LEVELS,
			STR(name), STR(level));
	return 0;
}

void broker_logger_set(struct str name, struct str level)
{
	enum say_level parsed;

	if (str_is(name, ROOT) && level_of(level, &parsed))
		say_set_level(parsed);
}
