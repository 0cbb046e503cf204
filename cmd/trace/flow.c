/* Frames in a stream: each is int32 size and so many bytes. The head tells what it is. */
#include "cmd/trace/trace_int.h"

#include "wire/header.h"

#include <string.h>

/* Size, key, version, correlation id; a response has size and correlation id. */
#define REQUEST_HEAD_BYTES 12
#define RESPONSE_HEAD_BYTES 8
/* A tag that no message has, of one byte: readers pass over it. */
#define TAG_NOBODY_KNOWS 0x7f

void flow_init(struct flow *f, struct pair *p, bool is_response)
{
	*f = (struct flow){.pair = p, .is_response = is_response};
	out_init(&f->frame, REWRITE_BYTES_MAX + 4);
}

void flow_fini(struct flow *f)
{
	out_fini(&f->frame);
	if (f->message)
		passage_free(f->message);
	f->message = NULL;
}

static void flow_forward(struct flow *f, const void *data, size_t len)
{
	side_send(f->is_response ? &f->pair->client : &f->pair->broker, data, len);
}

static void flow_next_frame(struct flow *f)
{
	if (f->frame.cap > 2 * WHOLE_BYTES_MAX) {
		out_fini(&f->frame);
		out_init(&f->frame, REWRITE_BYTES_MAX + 4);
	}
	out_reset(&f->frame);
	f->message = NULL;
	f->state = FLOW_HEAD;
}

/* ---- Frames that pass --------------------------------------------------------------------- */

/* The header ends: the body is scanned from here on. */
static void scan_body(struct flow *f)
{
	const struct passage *m = f->message;
	const struct message_desc *desc = m->is_response ? m->api->response : m->api->request;

	f->in_header = false;
	wire_scan_init(&f->scan, desc, m->version, f->left);
}

static void scan_begin(struct flow *f)
{
	const struct passage *m = f->message;
	const struct message_desc *desc =
		m->is_response ? &response_header_desc : &request_header_desc;
	int16_t version = m->is_response ? api_response_header_version(m->api, m->version)
					 : api_request_header_version(m->api, m->version);

	f->in_header = true;
	f->skip = 0;
	flow_forward(f, f->frame.data, FRAME_SIZE_BYTES);
	f->left = f->len - FRAME_SIZE_BYTES;
	memmove(f->frame.data, f->frame.data + FRAME_SIZE_BYTES, f->frame.len - FRAME_SIZE_BYTES);
	f->frame.len -= FRAME_SIZE_BYTES;
	wire_scan_init(&f->scan, desc, version, f->left);
}

/* What is behind us passes. */
static void scan_forward(struct flow *f, size_t *from, size_t len)
{
	flow_forward(f, f->frame.data + *from, len);
	*from += len;
	f->left -= len;
}

/* Goes over the bytes that are there, up to what is not whole yet. */
static void scan_go(struct flow *f)
{
	struct passage *m = f->message;
	struct scan_item item;
	size_t at = 0;
	int rc = 1;

	while (rc > 0) {
		size_t n = MIN(f->skip, f->frame.len - at);

		scan_forward(f, &at, n);
		f->skip -= n;
		if (f->skip > 0 || f->left == 0)
			break;
		rc = wire_scan_next(&f->scan, f->frame.data + at, f->frame.len - at, &item);
		if (rc == 0 && f->in_header) {
			scan_body(f);
			rc = 1;
			continue;
		}
		if (rc <= 0)
			break;
		if (f->in_header) {
			pair_header(f->pair, m, &item);
		} else {
			facts_item(&m->facts, f->pair->trace, m->api, &f->scan, &item, NULL);
			if (m->is_response && rewrite_hides(m->api, &item))
				f->frame.data[at] = TAG_NOBODY_KNOWS;
		}
		scan_forward(f, &at, item.len);
		f->skip = item.content_len;
	}
	if (rc != 1 && rc != E_AGAIN && f->left > 0) {
		/* Left over, or not understood: passes as it is. */
		m->is_understood = rc == 0;
		scan_forward(f, &at, f->frame.len - at);
		f->state = FLOW_PASS;
	}
	memmove(f->frame.data, f->frame.data + at, f->frame.len - at);
	f->frame.len -= at;
}

/* ---- Bytes -------------------------------------------------------------------------------- */

static void flow_begin(struct flow *f)
{
	struct passage *m;

	m = f->message = pair_begin(f->pair, f->is_response, f->frame.data, f->frame.len, f->len);
	if (m && (f->len <= WHOLE_BYTES_MAX ||
		  (m->is_response && m->is_understood && f->len <= REWRITE_BYTES_MAX &&
		   rewrite_wants(m->api, m->version, f->len)))) {
		f->state = FLOW_WHOLE;
	} else if (m && m->is_understood) {
		f->state = FLOW_SCAN;
		scan_begin(f);
	} else {
		f->state = FLOW_PASS;
		f->left = f->len - f->frame.len;
		flow_forward(f, f->frame.data, f->frame.len);
		out_reset(&f->frame);
	}
}

/* Takes what the state needs of the bytes; gives how many. */
static size_t flow_take(struct flow *f, const uint8_t *data, size_t len)
{
	size_t head = f->is_response ? RESPONSE_HEAD_BYTES : REQUEST_HEAD_BYTES;
	size_t n;

	switch (f->state) {
	case FLOW_HEAD:
		n = MIN(head - f->frame.len, len);
		out_bytes(&f->frame, data, n);
		if (f->frame.len >= FRAME_SIZE_BYTES) {
			f->len = (size_t)be32(f->frame.data) + FRAME_SIZE_BYTES;
			/* A frame that is shorter than a head is nobody's. */
			if (f->len >= head && f->frame.len == head)
				flow_begin(f);
			else if (f->len < head && f->frame.len >= f->len) {
				f->message = NULL;
				f->state = FLOW_PASS;
				f->left = 0;
				n -= f->frame.len - f->len;
				flow_forward(f, f->frame.data, f->len);
			}
		}
		return n;
	case FLOW_WHOLE:
		n = MIN(f->len - f->frame.len, len);
		out_bytes(&f->frame, data, n);
		return n;
	case FLOW_SCAN:
		if (f->skip > 0 && f->frame.len == 0) {
			n = MIN(f->skip, len);
			flow_forward(f, data, n);
			f->skip -= n;
			f->left -= n;
			return n;
		}
		n = MIN(f->left - f->frame.len, len);
		out_bytes(&f->frame, data, n);
		scan_go(f);
		return n;
	case FLOW_PASS:
		n = MIN(f->left, len);
		flow_forward(f, data, n);
		f->left -= n;
		return n;
	}
	return len;
}

void flow_bytes(struct flow *f, uint8_t *data, size_t len)
{
	struct pair *p = f->pair;

	while (!p->is_over) {
		if (f->state == FLOW_WHOLE && f->frame.len == f->len) {
			struct passage *m = f->message;

			f->message = NULL;
			pair_frame(p, m, f->frame.data, f->len);
			flow_next_frame(f);
		} else if ((f->state == FLOW_SCAN || f->state == FLOW_PASS) && f->left == 0) {
			if (f->message)
				pair_passed(p, f->message);
			flow_next_frame(f);
		} else if (len == 0) {
			break;
		} else {
			size_t n = flow_take(f, data, len);

			data += n;
			len -= n;
		}
	}
}
