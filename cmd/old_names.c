/* Scripts of Apache Kafka that are no tools of their own, but stand in many tutorials. */
#include "cmd/old_names.h"
#include "cmd/print.h"

#include "base/check.h"

#include <string.h>

/* Classes that people start through kafka-run-class, by the last part of their names. */
static const struct {
	const char *class, *alias;
} old_classes[] = {
	{"AclCommand", "kafka-acls"},
	{"BrokerApiVersionsCommand", "kafka-broker-api-versions"},
	{"ConfigCommand", "kafka-configs"},
	{"ConsoleConsumer", "kafka-console-consumer"},
	{"ConsoleProducer", "kafka-console-producer"},
	{"ConsumerGroupCommand", "kafka-consumer-groups"},
	{"ConsumerPerformance", "kafka-consumer-perf-test"},
	{"DeleteRecordsCommand", "kafka-delete-records"},
	{"DumpLogSegments", "kafka-dump-log"},
	{"GetOffsetShell", "kafka-get-offsets"},
	{"Kafka", "kafka-server-start"},
	{"LeaderElectionCommand", "kafka-leader-election"},
	{"LogDirsCommand", "kafka-log-dirs"},
	{"ProducerPerformance", "kafka-producer-perf-test"},
	{"ReassignPartitionsCommand", "kafka-reassign-partitions"},
	{"StorageTool", "kafka-storage"},
	{"TopicCommand", "kafka-topics"},
	{"VerifiableConsumer", "kafka-verifiable-consumer"},
	{"VerifiableProducer", "kafka-verifiable-producer"},
};

static bool old_is(const char *name, const char *wanted)
{
	size_t len = strlen(wanted);

	return strncmp(name, wanted, len) == 0 &&
	       (name[len] == '\0' || strcmp(name + len, ".sh") == 0);
}

static const struct command *old_class(const char *class)
{
	const char *dot = strrchr(class, '.');

	for (size_t i = 0; i < ARRAY_LEN(old_classes); i++)
		if (strcmp(dot ? dot + 1 : class, old_classes[i].class) == 0)
			return command_find_alias(old_classes[i].alias);
	return NULL;
}

enum old_name old_name_find(const char *name, const char *first, const struct command **command)
{
	if (old_is(name, "zookeeper-server-start")) {
		print_error("%s: Kafka needs no ZooKeeper any more; start the broker alone: "
			    "kafka-server-start config/server.properties\n", name);
		return OLD_NAME_TOLD;
	}
	if (!old_is(name, "kafka-run-class"))
		return OLD_NAME_NONE;
	*command = first ? old_class(first) : NULL;
	if (*command)
		return OLD_NAME_COMMAND;
	if (first)
		print_error("%s: there is no class %s here (kavka help lists what there is)\n",
			    name, first);
	else
		print_error("%s: say which class, such as kafka.tools.GetOffsetShell\n", name);
	return OLD_NAME_TOLD;
}
