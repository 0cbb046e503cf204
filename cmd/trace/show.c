/* What passes, in lines. */
#include "cmd/hex_dump.h"
#include "cmd/json_out.h"
#include "cmd/print.h"
#include "cmd/trace/trace_int.h"

#include "wire/errors.h"
#include "wire/header.h"
#include "wire/json.h"

#include <inttypes.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#define TIME_TEXT_MAX 32

static const char *time_text(int64_t ms, char text[TIME_TEXT_MAX])
{
	time_t s = (time_t)(ms / 1000);
	struct tm tm;

	localtime_r(&s, &tm);
	snprintf(text, TIME_TEXT_MAX, "%02d:%02d:%02d.%03d", tm.tm_hour, tm.tm_min, tm.tm_sec,
		 (int)(ms % 1000));
	return text;
}

static const char *api_text(const struct passage *m, char text[32])
{
	if (m->api)
		return m->api->name;
	snprintf(text, 32, "unknown(%d)", m->key);
	return text;
}

/* ---- Bodies ------------------------------------------------------------------------------- */

/* What nobody should read over a shoulder. */
static bool is_secret(const char *name)
{
	static const char *const secrets[] = {"authBytes", "hmac", "saltedPassword", "salt"};

	for (size_t i = 0; i < ARRAY_LEN(secrets); i++) {
		if (strcmp(name, secrets[i]) == 0)
			return true;
	}
	return false;
}

static bool is_secret_config(const char *name)
{
	return name && (strcasestr(name, "password") || strcasestr(name, "secret") ||
			strcasestr(name, "jaas") || strcasestr(name, "keystore.key"));
}

static void hide_secrets(json_t *json)
{
	bool hide_value = is_secret_config(json_string_value(json_object_get(json, "name")));
	const char *name;
	json_t *member;
	size_t i;
	void *next;

	json_array_foreach(json, i, member) hide_secrets(member);
	json_object_foreach_safe(json, next, name, member)
	{
		if (json_is_string(member) &&
		    (is_secret(name) || (hide_value && strcmp(name, "value") == 0)))
			json_object_set_new(json, name, json_string("(hidden)"));
		else
			hide_secrets(member);
	}
}

/* The body as JSON, or NULL. */
static json_t *body_json(const struct passage *m, struct slice frame)
{
	struct slice inner = {NULL, frame.data + FRAME_SIZE_BYTES, frame.len - FRAME_SIZE_BYTES};
	const struct message_desc *desc;
	struct request_header header;
	const struct api *api = m->api;
	int16_t version = m->version;
	int32_t correlation_id;
	json_t *json = NULL;
	struct arena arena;
	void *body;
	int rc;

	if (!m->is_understood)
		return NULL;
	arena_init(&arena);
	desc = m->is_response ? api->response : api->request;
	if (m->is_response)
		rc = response_decode(api, &version, inner, &arena, &correlation_id, &body, NULL);
	else
		rc = request_decode(inner, &arena, &header, &api, &body, NULL);
	if (rc == 0)
		json = message_to_json(desc, version, body, WIRE_JSON_BATCHES, NULL);
	arena_fini(&arena);
	hide_secrets(json);
	return json;
}

static bool has_secret_bytes(const struct passage *m)
{
	return m->key == API_SASL_AUTHENTICATE || m->key == API_INCREMENTAL_ALTER_CONFIGS ||
	       m->key == API_ALTER_CONFIGS || m->key == API_CREATE_DELEGATION_TOKEN ||
	       m->key == API_RENEW_DELEGATION_TOKEN || m->key == API_EXPIRE_DELEGATION_TOKEN ||
	       m->key == API_DESCRIBE_DELEGATION_TOKEN ||
	       m->key == API_ALTER_USER_SCRAM_CREDENTIALS;
}

static void show_hex(const struct trace *t, const struct passage *m, struct slice frame)
{
	struct arena arena;
	struct err err = {0};

	if (!frame.data || has_secret_bytes(m) || !m->api)
		return;
	arena_init(&arena);
	if (hex_dump_frame(&arena, m->is_response ? "response" : "request",
			   m->is_response ? m->api : NULL, m->version, frame,
			   t->format == OUTPUT_JSON, &err) < 0 &&
	    t->format != OUTPUT_JSON)
		print_text("%s\n", err_message(&err));
	arena_fini(&arena);
}

/* ---- Lines -------------------------------------------------------------------------------- */

static void text_topics(const struct facts *f)
{
	unsigned shown = MIN(f->topic_count, (unsigned)FACTS_TOPICS_MAX);

	if (!shown)
		return;
	print_text(" topics=");
	for (unsigned i = 0; i < shown; i++)
		print_text("%s%s", i ? "," : "", f->topics[i]);
	if (f->topic_count > shown)
		print_text(",+%u", f->topic_count - shown);
}

static void text_facts(const struct passage *m)
{
	const struct facts *f = &m->facts;

	text_topics(f);
	if (f->partition_count > 1)
		print_text(" partitions=%u", f->partition_count);
	if (f->group)
		print_text(" group=%s", f->group);
	if (f->txn)
		print_text(" transactional.id=%s", f->txn);
	if (f->key)
		print_text(" %s=%s", m->key == API_SASL_HANDSHAKE ? "mechanism" : "key", f->key);
	if (f->resource)
		print_text(" resource=%s", f->resource);
	if (f->acks != INT_MIN)
		print_text(" acks=%d", f->acks);
	if (f->record_bytes > 0 && f->record_count >= 0)
		print_text(" records=%" PRId64 " (%" PRId64 " B)", f->record_count,
			   f->record_bytes);
	else if (f->record_bytes > 0)
		print_text(" records=(%" PRId64 " B)", f->record_bytes);
	if (f->error_count) {
		print_text(" %serror=%s%s%s", tone_on(TONE_RED), kafka_error_name(f->error),
			   f->error_where ? " at " : "", f->error_where ? f->error_where : "");
		if (f->error_count > 1)
			print_text(" and %u more", f->error_count - 1);
		print_text("%s", tone_off());
	}
	if (!m->is_understood)
		print_text(" %s(%s)%s", tone_on(TONE_YELLOW),
			   m->api ? "version or form not known here" : "not known here",
			   tone_off());
}

static void text_line(const struct pair *p, const struct passage *m)
{
	char time[TIME_TEXT_MAX], port[32], api[32];

	print_text("%s%s%s #%u %s %s %s  %s%s%s v%d #%d  %zu B", tone_on(TONE_DIM),
		   time_text(m->wall_ms, time), tone_off(), p->number, m->client,
		   m->is_response ? "<-" : "->", port_name(p->port, port),
		   tone_on(m->is_response ? TONE_GREEN : TONE_CYAN), api_text(m, api), tone_off(),
		   m->version, m->correlation_id, m->bytes);
	if (m->latency_us >= 0)
		print_text(" in %.1f ms", (double)m->latency_us / 1000);
	text_facts(m);
	print_byte('\n');
}

static void json_facts(struct json_out *j, const struct passage *m)
{
	const struct facts *f = &m->facts;

	if (f->topic_count) {
		json_out_open(j, "topics", '[');
		for (unsigned i = 0; i < MIN(f->topic_count, (unsigned)FACTS_TOPICS_MAX); i++)
			json_out_text(j, NULL, f->topics[i]);
		json_out_close(j, ']');
	}
	if (f->partition_count)
		json_out_int(j, "partitions", f->partition_count);
	if (f->group)
		json_out_text(j, "group", f->group);
	if (f->txn)
		json_out_text(j, "transactionalId", f->txn);
	if (f->key)
		json_out_text(j, m->key == API_SASL_HANDSHAKE ? "mechanism" : "key", f->key);
	if (f->resource)
		json_out_text(j, "resource", f->resource);
	if (f->acks != INT_MIN)
		json_out_int(j, "acks", f->acks);
	if (f->record_bytes > 0 && f->record_count >= 0)
		json_out_int(j, "records", f->record_count);
	if (f->record_bytes > 0)
		json_out_int(j, "recordBytes", f->record_bytes);
	if (f->error_count) {
		json_out_text(j, "error", kafka_error_name(f->error));
		json_out_text(j, "errorAt", f->error_where);
		json_out_int(j, "errors", f->error_count);
	}
}

static void json_line(const struct pair *p, const struct passage *m, struct slice frame)
{
	struct json_out j = {0};
	char api[32];
	char *body;
	json_t *json;

	json_out_open(&j, NULL, '{');
	json_out_int(&j, "timestamp", m->wall_ms);
	json_out_text(&j, "direction", m->is_response ? "response" : "request");
	json_out_int(&j, "connection", p->number);
	json_out_text(&j, "peer", p->peer);
	json_out_text(&j, "client", m->client);
	if (p->port->host)
		json_out_int(&j, "broker", p->port->node_id);
	else
		json_out_null(&j, "broker");
	json_out_text(&j, "api", api_text(m, api));
	json_out_int(&j, "key", m->key);
	json_out_int(&j, "version", m->version);
	json_out_int(&j, "correlationId", m->correlation_id);
	json_out_int(&j, "bytes", (int64_t)m->bytes);
	if (m->latency_us >= 0)
		json_out_int(&j, "latencyUs", m->latency_us);
	json_facts(&j, m);
	if (p->trace->args->full && frame.data && (json = body_json(m, frame))) {
		body = json_dumps(json, JSON_COMPACT);
		json_out_raw(&j, "body", str_of(body));
		free(body);
		json_decref(json);
	}
	json_out_close(&j, '}');
	print_byte('\n');
}

static void show_one(struct pair *p, struct passage *m, struct slice frame)
{
	const struct trace *t = p->trace;
	json_t *json;
	char *text;

	m->is_shown = true;
	if (t->format == OUTPUT_JSON) {
		json_line(p, m, frame);
	} else {
		text_line(p, m);
		if (t->args->full && frame.data && (json = body_json(m, frame))) {
			text = json_dumps(json, JSON_INDENT(2));
			print_text("%s\n", text);
			free(text);
			json_decref(json);
		} else if (t->args->full && !frame.data) {
			print_text("(too large to be shown whole)\n");
		}
	}
	if (t->args->hex)
		show_hex(t, m, frame);
}

/* ---- What is shown ------------------------------------------------------------------------ */

static bool is_wanted(const struct trace *t, const struct passage *m)
{
	if (t->args->apis &&
	    (m->key < 0 || (size_t)m->key >= ARRAY_LEN(t->api_wanted) || !t->api_wanted[m->key]))
		return false;
	return !t->client_filter || filter_matches(t->client_filter, str_of(m->client));
}

/* Whether that depends on the answer, too. */
static bool is_open(const struct trace *t, const struct passage *m)
{
	return t->args->errors || t->args->slow_ms > 0 ||
	       (t->topic_filter && !m->facts.topic_wanted);
}

static void show_response(struct pair *p, struct passage *m, struct slice frame)
{
	const struct trace *t = p->trace;
	struct passage *request = m->request;

	if (t->args->errors && m->facts.error_count == 0)
		return;
	if (t->args->slow_ms > 0 && m->latency_us < t->args->slow_ms * 1000)
		return;
	if (t->topic_filter && !m->facts.topic_wanted && !request->facts.topic_wanted)
		return;
	if (!request->is_shown)
		show_one(p, request, request->copy);
	show_one(p, m, frame);
}

void show_message(struct pair *p, struct passage *m, struct slice frame)
{
	const struct trace *t = p->trace;

	if (!is_wanted(t, m))
		return;
	if (m->is_response)
		show_response(p, m, frame);
	else if (!is_open(t, m))
		show_one(p, m, frame);
	else if (frame.data && (t->args->full || t->args->hex))
		m->copy = slice_copy(frame.data, frame.len);
}

void show_note(struct trace *t, const struct pair *p, const char *fmt, ...)
{
	char text[1200];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (p)
		output_note(t->run, "#%u %s: %s", p->number, p->client_id, text);
	else
		output_note(t->run, "%s", text);
}
