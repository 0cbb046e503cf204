/* DescribeAcls, CreateAcls, DeleteAcls on a cluster without an authorizer: security is disabled. */
#include "api/handlers.h"
#include "wire/codec.h"

#define NO_AUTHORIZER STR_LIT("No Authorizer is configured.")

void handle_describe_acls(struct request *r)
{
	struct describe_acls_response *response = r->response;

	response->error_code = KERR_SECURITY_DISABLED;
	response->error_message = STR_LIT("No Authorizer is configured on the broker");
	request_done(r);
}

void handle_create_acls(struct request *r)
{
	const struct create_acls_request *request = r->body;
	struct create_acls_response *response = r->response;

	response->results = WIRE_ARRAY(&r->arena, create_acls_response_acl_creation_result,
				       request->creations_count);
	response->results_count = request->creations_count;
	for (int32_t i = 0; i < request->creations_count; i++) {
		response->results[i].error_code = KERR_SECURITY_DISABLED;
		response->results[i].error_message = NO_AUTHORIZER;
	}
	request_done(r);
}

void handle_delete_acls(struct request *r)
{
	const struct delete_acls_request *request = r->body;
	struct delete_acls_response *response = r->response;

	response->filter_results = WIRE_ARRAY(
		&r->arena, delete_acls_response_filter_result, request->filters_count);
	response->filter_results_count = request->filters_count;
	for (int32_t i = 0; i < request->filters_count; i++) {
		response->filter_results[i].error_code = KERR_SECURITY_DISABLED;
		response->filter_results[i].error_message = NO_AUTHORIZER;
	}
	request_done(r);
}
