/* For tests of what speaks to other nodes, in a world that has none: requests are never answered,
 * until the channel is freed. Included by one file of a test program. */
#ifndef KAVKA_TESTS_UNIT_BROKER_NO_CHANNELS_H
#define KAVKA_TESTS_UNIT_BROKER_NO_CHANNELS_H

#include "base/mem.h"
#include "shard/channel.h"

struct channel {
	struct list_node requests;
};

struct channel *channel_new(const struct channel_options *options UNUSED)
{
	struct channel *c = xcalloc(1, sizeof(*c));

	list_init(&c->requests);
	return c;
}

void channel_free(struct channel *c)
{
	struct channel_request *rq;
	struct err err = {0};

	if (!c)
		return;
	LIST_FOREACH (&c->requests, rq, struct channel_request, link) {
		channel_cancel(rq);
		rq->done(rq, E_CLOSED, &err);
	}
	free(c);
}

void channel_send(struct channel *c, struct channel_request *rq)
{
	rq->channel = c;
	list_push_back(&c->requests, &rq->link);
}

void channel_cancel(struct channel_request *rq)
{
	if (!rq->channel)
		return;
	list_remove(&rq->link);
	rq->channel = NULL;
}

bool channel_is_ready(const struct channel *c UNUSED)
{
	return false;
}

bool channel_versions(const struct channel *c UNUSED, enum api_key api UNUSED, int16_t *min UNUSED,
		      int16_t *max UNUSED)
{
	return false;
}

bool channel_feature(const struct channel *c UNUSED, struct str feature UNUSED, int16_t *min UNUSED,
		     int16_t *max UNUSED)
{
	return false;
}

#endif
