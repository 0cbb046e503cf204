#include "wire/errors.h"

enum error_kind { KIND_OK, KIND_FINAL, KIND_RETRY, KIND_REFRESH, KIND_COORDINATOR, KIND_REJOIN,
		  KIND_FATAL };

struct error_row {
	const char *name, *text;
	int code;
	enum error_kind kind;
};

/* Codes are contiguous from -1: the row of a code is code + 1. */
static const struct error_row errors[] = {
#define X(name, code, kind, text) [(code) + 1] = { #name, text, code, KIND_##kind },
#include "wire/errors.def"
#undef X
};

static const struct error_row *error_row(int code)
{
	if (code < -1 || code >= (int)ARRAY_LEN(errors) - 1)
		code = KERR_UNKNOWN_SERVER_ERROR;
	assert(errors[code + 1].name);
	return &errors[code + 1];
}

const char *kafka_error_name(int code)
{
	return error_row(code)->name;
}

const char *kafka_error_text(int code)
{
	return error_row(code)->text;
}

bool kafka_error_is_known(int code)
{
	return error_row(code)->code == code;
}

enum kafka_error kafka_error_by_name(struct str name)
{
	for (size_t i = 0; i < ARRAY_LEN(errors); i++) {
		if (str_is(name, errors[i].name))
			return (enum kafka_error)errors[i].code;
	}
	return KERR_UNKNOWN_SERVER_ERROR;
}

bool kafka_error_is_retriable(int code)
{
	enum error_kind kind = error_row(code)->kind;

	return kind == KIND_RETRY || kind == KIND_REFRESH || kind == KIND_COORDINATOR;
}

bool kafka_error_wants_metadata(int code)
{
	return error_row(code)->kind == KIND_REFRESH;
}

bool kafka_error_wants_coordinator(int code)
{
	return error_row(code)->kind == KIND_COORDINATOR;
}

bool kafka_error_is_fatal(int code)
{
	return error_row(code)->kind == KIND_FATAL;
}
