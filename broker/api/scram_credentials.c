/* DescribeUserScramCredentials, AlterUserScramCredentials.
 * Source: metadata/src/main/java/org/apache/kafka/image/ScramImage.java */
#include "api/control_trip.h"
#include "api/handlers.h"
#include "metadata/image.h"
#include "wire/codec.h"

#define SCRAM_MECHANISMS 2	/* 1 SHA-256, 2 SHA-512 */

void handle_alter_user_scram_credentials(struct request *r)
{
	control_trip_send(r, CONTROL_ALTER_SCRAM);
	request_done(r);
}

/* ---- DescribeUserScramCredentials ------------------------------------------------------------ */

/* The place of a user in the answer: a new one at its end, unless it has one. */
static struct describe_user_scram_credentials_response_result *
result_of(struct describe_user_scram_credentials_response *response, struct str user, bool *is_new)
{
	for (int32_t i = 0; i < response->results_count; i++)
		if (str_eq(response->results[i].user, user)) {
			*is_new = false;
			return &response->results[i];
		}
	*is_new = true;
	response->results[response->results_count].user = user;
	return &response->results[response->results_count++];
}

static void credential_add(struct request *r,
			   struct describe_user_scram_credentials_response_result *to,
			   const struct image_scram *s)
{
	if (!s)
		return;
	if (to->credential_infos_count == 0)
		to->credential_infos = WIRE_ARRAY(
			&r->arena, describe_user_scram_credentials_response_credential_info,
			SCRAM_MECHANISMS);
	assert(to->credential_infos_count < SCRAM_MECHANISMS);
	to->credential_infos[to->credential_infos_count].mechanism = s->mechanism;
	to->credential_infos[to->credential_infos_count++].iterations = s->iterations;
}

static void scram_all(struct request *r)
{
	struct describe_user_scram_credentials_response *response = r->response;
	const struct image *image = r->shard->image;
	int32_t count = 0;
	bool is_new;

	for (const struct image_scram *s = image_scram_next(image, NULL); s;
	     s = image_scram_next(image, s))
		count++;
	response->results =
		WIRE_ARRAY(&r->arena, describe_user_scram_credentials_response_result, count);
	for (const struct image_scram *s = image_scram_next(image, NULL); s;
	     s = image_scram_next(image, s))
		credential_add(r, result_of(response, s->user, &is_new), s);
}

static void scram_asked(struct request *r)
{
	const struct describe_user_scram_credentials_request *request = r->body;
	struct describe_user_scram_credentials_response *response = r->response;

	response->results = WIRE_ARRAY(&r->arena, describe_user_scram_credentials_response_result,
				       request->users_count);
	for (int32_t i = 0; i < request->users_count; i++) {
		bool is_new;
		struct str user = request->users[i].name;
		struct describe_user_scram_credentials_response_result *to =
			result_of(response, user, &is_new);

		if (!is_new) {
			to->error_code = KERR_DUPLICATE_RESOURCE;
			to->error_message =
				str_of(arena_printf(&r->arena,
						    "Cannot describe SCRAM credentials for the "
						    "same user twice in a single "
						    "request: %.*s",
						    STR(user)));
			to->credential_infos_count = 0;
			continue;
		}
		for (int8_t mechanism = 1; mechanism <= SCRAM_MECHANISMS; mechanism++)
			credential_add(r, to, image_scram(r->shard->image, mechanism, user));
		if (to->credential_infos_count)
			continue;
		to->error_code = KERR_RESOURCE_NOT_FOUND;
		to->error_message = str_of(arena_printf(
			&r->arena,
			"Attempt to describe a user credential that does not exist: %.*s",
			STR(user)));
	}
}

void handle_describe_user_scram_credentials(struct request *r)
{
	const struct describe_user_scram_credentials_request *request = r->body;

	if (request->users_count > 0)
		scram_asked(r);
	else
		scram_all(r);
	request_done(r);
}
