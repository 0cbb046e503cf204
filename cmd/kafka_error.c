#include "cmd/kafka_error.h"

#include "wire/errors.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#define PACKAGE "org.apache.kafka.common.errors."

/* Codes whose class is not named like the code. */
static const struct {
	int code;
	const char *name;
} exception_names[] = {
	{KERR_UNKNOWN_SERVER_ERROR, "UnknownServerException"},
	{KERR_CORRUPT_MESSAGE, "CorruptRecordException"},
	{KERR_MESSAGE_TOO_LARGE, "RecordTooLargeException"},
	{KERR_STALE_CONTROLLER_EPOCH, "ControllerMovedException"},
	{KERR_REQUEST_TIMED_OUT, "TimeoutException"},
	{KERR_INVALID_TOPIC_EXCEPTION, "InvalidTopicException"},
	{KERR_RECORD_LIST_TOO_LARGE, "RecordBatchTooLargeException"},
	{KERR_TOPIC_ALREADY_EXISTS, "TopicExistsException"},
	{KERR_INVALID_CONFIG, "InvalidConfigurationException"},
	{KERR_INVALID_PRODUCER_ID_MAPPING, "InvalidPidMappingException"},
	{KERR_SASL_AUTHENTICATION_FAILED, "SaslAuthenticationException"},
	{KERR_KAFKA_STORAGE_ERROR, "KafkaStorageException"},
	{KERR_NON_EMPTY_GROUP, "GroupNotEmptyException"},
	{KERR_OFFSET_METADATA_TOO_LARGE, "OffsetMetadataTooLarge"},
};

/* Sentences of Apache's client that are part of its tools' output. */
static const struct {
	int code;
	const char *text;
} error_texts[] = {
	{KERR_NON_EMPTY_GROUP, "The group is not empty."},
	{KERR_OFFSET_OUT_OF_RANGE,
	 "The requested offset is not within the range of offsets maintained by the server."},
	{KERR_UNKNOWN_TOPIC_OR_PARTITION, "This server does not host this topic-partition."},
	{KERR_UNSUPPORTED_VERSION, "The version of API is not supported."},
	{KERR_TOPIC_AUTHORIZATION_FAILED, "Topic authorization failed."},
	{KERR_GROUP_AUTHORIZATION_FAILED, "Group authorization failed."},
	{KERR_CLUSTER_AUTHORIZATION_FAILED, "Cluster authorization failed."},
	{KERR_INVALID_GROUP_ID, "The configured groupId is invalid."},
	{KERR_UNKNOWN_MEMBER_ID, "The coordinator is not aware of this member."},
	{KERR_NOT_COORDINATOR, "This is not the correct coordinator."},
	{KERR_SECURITY_DISABLED, "Security features are disabled."},
	{KERR_POLICY_VIOLATION, "Request parameters do not satisfy the configured policy."},
	{KERR_GROUP_ID_NOT_FOUND, "The group id does not exist."},
	{KERR_GROUP_SUBSCRIBED_TO_TOPIC,
	 "Deleting offsets of a topic is forbidden while the consumer "
	 "group is actively subscribed to it."},
};

const char *kafka_error_sentence(int kafka_error)
{
	for (unsigned i = 0; i < ARRAY_LEN(error_texts); i++) {
		if (error_texts[i].code == kafka_error)
			return error_texts[i].text;
	}
	return kafka_error_text(kafka_error);
}

int kafka_error_set(struct err *err, int kafka_error, struct str message)
{
	if (err)
		err->kafka_error = kafka_error;
	err_set(err, E_KAFKA, "%.*s", STR(message));
	if (str_is_null(message) || message.len == 0)
		err_set(err, E_KAFKA, "%s", kafka_error_sentence(kafka_error));
	if (err)
		err->kafka_error = kafka_error;
	return E_KAFKA;
}

const char *kafka_exception(int kafka_error, char text[EXCEPTION_TEXT_MAX])
{
	const char *name = kafka_error_name(kafka_error);
	size_t len = strlen(PACKAGE), end = strlen(name);
	bool upper = true;

	memcpy(text, PACKAGE, len + 1);
	for (unsigned i = 0; i < ARRAY_LEN(exception_names); i++) {
		if (exception_names[i].code == kafka_error) {
			snprintf(text + len, EXCEPTION_TEXT_MAX - len, "%s",
				 exception_names[i].name);
			return text;
		}
	}
	if (end > 21 && strcmp(name + end - 21, "_AUTHORIZATION_FAILED") == 0)
		end -= strlen("_FAILED");
	for (size_t i = 0; i < end && len < EXCEPTION_TEXT_MAX - 12; i++) {
		if (name[i] == '_') {
			upper = true;
			continue;
		}
		text[len++] = upper ? name[i] : (char)tolower((unsigned char)name[i]);
		upper = false;
	}
	snprintf(text + len, EXCEPTION_TEXT_MAX - len, "Exception");
	return text;
}

const char *err_exception(const struct err *err, char text[EXCEPTION_TEXT_MAX])
{
	switch (err->code) {
	case E_KAFKA:
		return kafka_exception(err->kafka_error, text);
	case E_UNREACHABLE:
	case E_TIMEOUT:
		return PACKAGE "TimeoutException";
	case E_AUTH:
		return PACKAGE "SaslAuthenticationException";
	case E_UNSUPPORTED:
		return PACKAGE "UnsupportedVersionException";
	case E_NOT_FOUND:
	case E_INVALID:
		return "java.lang.IllegalArgumentException";
	default:
		return NULL;
	}
}
