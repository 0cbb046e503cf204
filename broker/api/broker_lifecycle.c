/* What nodes of the cluster ask the active controller: to be registered, to live on, to have the
 * ISRs and directories of their partitions changed, for producer ids. Checks and answers are the
 * controller's (broker/controller). */
#include "api/control_trip.h"
#include "api/handlers.h"

void handle_broker_registration(struct request *r)
{
	control_trip_send(r, CONTROL_REGISTER_BROKER);
	request_done(r);
}

void handle_broker_heartbeat(struct request *r)
{
	control_trip_send(r, CONTROL_HEARTBEAT);
	request_done(r);
}

void handle_controller_registration(struct request *r)
{
	control_trip_send(r, CONTROL_REGISTER_CONTROLLER);
	request_done(r);
}

void handle_alter_partition(struct request *r)
{
	control_trip_send(r, CONTROL_ALTER_PARTITION);
	request_done(r);
}

void handle_assign_replicas_to_dirs(struct request *r)
{
	control_trip_send(r, CONTROL_ASSIGN_DIRS);
	request_done(r);
}

void handle_allocate_producer_ids(struct request *r)
{
	control_trip_send(r, CONTROL_ALLOCATE_PRODUCER_IDS);
	request_done(r);
}
