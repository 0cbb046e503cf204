/* DescribeClientQuotas, AlterClientQuotas.
 * Source: metadata/src/main/java/org/apache/kafka/image/ClientQuotasImage.java */
#include "api/control_trip.h"
#include "api/handlers.h"
#include "metadata/image.h"
#include "wire/codec.h"

void handle_alter_client_quotas(struct request *r)
{
	control_trip_send(r, CONTROL_ALTER_CLIENT_QUOTAS);
	request_done(r);
}

/* ---- DescribeClientQuotas -------------------------------------------------------------------- */

enum match_type { MATCH_EXACT, MATCH_DEFAULT, MATCH_ANY };

struct quota_refusal {
	enum kafka_error error;
	struct str text;
};
#define REFUSED(code, ...) \
	((struct quota_refusal){(code), str_of(arena_printf(&r->arena, __VA_ARGS__))})
#define ACCEPTED ((struct quota_refusal){KERR_NONE, STR_NULL})

static struct quota_refusal match_check(
	struct request *r, const struct describe_client_quotas_request_component_data *c)
{
	bool has_match = !str_is_null(c->match);

	switch (c->match_type) {
	case MATCH_EXACT:
		if (has_match)
			return ACCEPTED;
		return REFUSED(KERR_INVALID_REQUEST,
			       "Request specified MATCH_TYPE_EXACT, but set match string to null.");
	case MATCH_DEFAULT:
		if (!has_match)
			return ACCEPTED;
		return REFUSED(KERR_INVALID_REQUEST,
			       "Request specified MATCH_TYPE_DEFAULT, but also "
			       "specified a match string.");
	case MATCH_ANY:
		if (!has_match)
			return ACCEPTED;
		return REFUSED(KERR_INVALID_REQUEST,
			       "Request specified MATCH_TYPE_SPECIFIED, but also "
			       "specified a match string.");
	default:
		return REFUSED(KERR_INVALID_REQUEST, "Unknown match type %d", c->match_type);
	}
}

static struct quota_refusal quotas_check(struct request *r)
{
	const struct describe_client_quotas_request *request = r->body;
	bool has_ip = false, has_client = false;

	for (int32_t i = 0; i < request->components_count; i++) {
		const struct describe_client_quotas_request_component_data *c =
			&request->components[i];
		struct quota_refusal refusal;

		if (c->entity_type.len == 0)
			return REFUSED(KERR_INVALID_REQUEST, "Invalid empty entity type.");
		for (int32_t j = 0; j < i; j++)
			if (str_eq(c->entity_type, request->components[j].entity_type))
				return REFUSED(
					KERR_INVALID_REQUEST,
					"Entity type %.*s cannot appear more than once in the "
					"filter.",
					STR(c->entity_type));
		if (str_is(c->entity_type, "ip"))
			has_ip = true;
		else if (str_is(c->entity_type, "user") || str_is(c->entity_type, "client-id"))
			has_client = true;
		else
			return REFUSED(KERR_UNSUPPORTED_VERSION, "Unsupported entity type %.*s",
				       STR(c->entity_type));
		refusal = match_check(r, c);
		if (refusal.error)
			return refusal;
	}
	if (has_ip && has_client)
		return REFUSED(KERR_INVALID_REQUEST,
			       "Invalid entity filter component combination. IP filter component "
			       "should not be used with user or clientId filter component.");
	return ACCEPTED;
}

static const struct image_quota_part *quota_part(const struct image_quota *q, struct str type)
{
	for (uint32_t i = 0; i < q->part_count; i++)
		if (str_eq(q->parts[i].type, type))
			return &q->parts[i];
	return NULL;
}

static bool quota_matches(const struct image_quota *q,
			  const struct describe_client_quotas_request *request)
{
	if (request->strict && q->part_count != (uint32_t)request->components_count)
		return false;
	for (int32_t i = 0; i < request->components_count; i++) {
		const struct describe_client_quotas_request_component_data *c =
			&request->components[i];
		const struct image_quota_part *part = quota_part(q, c->entity_type);

		if (!part)
			return false;
		if (c->match_type == MATCH_EXACT &&
		    (str_is_null(part->name) || !str_eq(part->name, c->match)))
			return false;
		if (c->match_type == MATCH_DEFAULT && !str_is_null(part->name))
			return false;
	}
	return true;
}

static void quota_add(struct request *r, const struct image_quota *q,
		      struct describe_client_quotas_response_entry_data *to)
{
	to->entity = WIRE_ARRAY(&r->arena, describe_client_quotas_response_entity_data,
				q->part_count);
	to->entity_count = (int32_t)q->part_count;
	for (uint32_t i = 0; i < q->part_count; i++) {
		to->entity[i].entity_type = q->parts[i].type;
		to->entity[i].entity_name = q->parts[i].name;
	}
	to->values = WIRE_ARRAY(&r->arena, describe_client_quotas_response_value_data,
				q->value_count);
	to->values_count = (int32_t)q->value_count;
	for (uint32_t i = 0; i < q->value_count; i++) {
		to->values[i].key = q->values[i].key;
		to->values[i].value = q->values[i].value;
	}
}

void handle_describe_client_quotas(struct request *r)
{
	struct describe_client_quotas_response *response = r->response;
	const struct image *image = r->shard->image;
	struct quota_refusal refusal = quotas_check(r);
	int32_t count = 0;

	response->error_code = (int16_t)refusal.error;
	response->error_message = refusal.text;
	response->entries_count = -1;
	if (refusal.error) {
		request_done(r);
		return;
	}
	for (const struct image_quota *q = image_quota_next(image, NULL); q;
	     q = image_quota_next(image, q))
		count += quota_matches(q, r->body);
	response->entries =
		WIRE_ARRAY(&r->arena, describe_client_quotas_response_entry_data, count);
	response->entries_count = 0;
	for (const struct image_quota *q = image_quota_next(image, NULL); q;
	     q = image_quota_next(image, q))
		if (quota_matches(q, r->body))
			quota_add(r, q, &response->entries[response->entries_count++]);
	request_done(r);
}
