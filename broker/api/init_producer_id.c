/* InitProducerId, DescribeTransactions, ListTransactions.
 *
 * Idempotent producers get an id of this broker's block. Transactions are not part of this version:
 * no broker coordinates them. Everything that follows from that is in this file and says what Kafka
 * says of a coordinator that is not there or knows no transaction:
 *   InitProducerId with a transactional id	COORDINATOR_NOT_AVAILABLE (clients try again until
 *						their own timeout, and say so)
 *   DescribeTransactions			TRANSACTIONAL_ID_NOT_FOUND
 *   ListTransactions				none
 * AddPartitionsToTxn, AddOffsetsToTxn, EndTxn and TxnOffsetCommit are not served. */
#include "api/control_trip.h"
#include "api/handlers.h"
#include "config/config.h"
#include "wire/codec.h"

/* ---- InitProducerId -------------------------------------------------------------------------- */

static void init_producer_id_finish(struct control_trip *t)
{
	struct init_producer_id_response *response = t->request->response;

	response->error_code = (int16_t)t->op.error;
	if (t->op.error)
		return;
	response->producer_id = t->op.producer_id;
	response->producer_epoch = 0;
}

static enum kafka_error transactional_check(const struct request *r)
{
	const struct init_producer_id_request *request = r->body;
	const struct config *c = r->shard->config;

	if (request->transactional_id.len == 0)
		return KERR_INVALID_REQUEST;
	if (request->enable2_pc &&
	    !config_bool(c, CONFIG_TRANSACTION_TWO_PHASE_COMMIT_ENABLE))
		return KERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED;
	if (request->keep_prepared_txn)
		return KERR_UNSUPPORTED_VERSION;
	if (!request->enable2_pc &&
	    (request->transaction_timeout_ms <= 0 ||
	     request->transaction_timeout_ms > config_i64(c, CONFIG_TRANSACTION_MAX_TIMEOUT_MS)))
		return KERR_INVALID_TRANSACTION_TIMEOUT;
	return KERR_COORDINATOR_NOT_AVAILABLE;
}

void handle_init_producer_id(struct request *r)
{
	const struct init_producer_id_request *request = r->body;
	struct init_producer_id_response *response = r->response;
	struct control_trip *t;

	/* Without a transactional id the old id counts for nothing: a fresh one is as good. */
	if ((request->producer_id == -1) != (request->producer_epoch == -1)) {
		response->error_code = KERR_INVALID_REQUEST;
	} else if (!str_is_null(request->transactional_id)) {
		response->error_code = (int16_t)transactional_check(r);
	} else {
		t = control_trip_new(r, CONTROL_PRODUCER_ID, init_producer_id_finish);
		t->op.request = NULL;
		t->op.response = NULL;
		control_trip_go(t);
	}
	if (response->error_code) {
		response->producer_id = -1;
		response->producer_epoch = -1;
	}
	request_done(r);
}

/* ---- What is known of transactions ----------------------------------------------------------- */

void handle_describe_transactions(struct request *r)
{
	const struct describe_transactions_request *request = r->body;
	struct describe_transactions_response *response = r->response;
	int32_t count = request->transactional_ids_count;

	response->transaction_states =
		WIRE_ARRAY(&r->arena, describe_transactions_response_transaction_state, count);
	response->transaction_states_count = count;
	for (int32_t i = 0; i < count; i++) {
		response->transaction_states[i].transactional_id = request->transactional_ids[i];
		response->transaction_states[i].error_code =
			request->transactional_ids[i].len ? KERR_TRANSACTIONAL_ID_NOT_FOUND
							  : KERR_INVALID_REQUEST;
	}
	request_done(r);
}

static bool transaction_state_is_known(struct str name)
{
	static const char *const states[] = {
		"Empty",	  "Ongoing",	   "PrepareCommit",	"PrepareAbort",
		"CompleteCommit", "CompleteAbort", "PrepareEpochFence", "Dead",
	};

	for (size_t i = 0; i < ARRAY_LEN(states); i++)
		if (str_is(name, states[i]))
			return true;
	return false;
}

void handle_list_transactions(struct request *r)
{
	const struct list_transactions_request *request = r->body;
	struct list_transactions_response *response = r->response;

	response->unknown_state_filters =
		arena_array(&r->arena, (size_t)request->state_filters_count + 1,
			    sizeof(*response->unknown_state_filters));
	for (int32_t i = 0; i < request->state_filters_count; i++)
		if (!transaction_state_is_known(request->state_filters[i]))
			response->unknown_state_filters[response->unknown_state_filters_count++] =
				request->state_filters[i];
	request_done(r);
}
