/* ACLs, SCRAM credentials, delegation tokens. */
#include "metadata/delta.h"

#include "base/mem.h"

static void security_destroy(struct image_item *item)
{
	free(item); /* one block; `item` is its first member */
}

static void acl_set(struct image_delta *d, const struct access_control_entry_record *r)
{
	struct packer p;
	struct image_acl *a = packer_alloc(&p, sizeof(*a),
					   PACKER_STR(r->resource_name) + PACKER_STR(r->principal) +
						   PACKER_STR(r->host));

	item_init(&a->item, d->edit, security_destroy);
	a->id = r->id;
	a->resource_type = r->resource_type;
	a->pattern_type = r->pattern_type;
	a->operation = r->operation;
	a->permission_type = r->permission_type;
	a->resource_name = packer_str(&p, r->resource_name);
	a->principal = packer_str(&p, r->principal);
	a->host = packer_str(&p, r->host);
	pmap_put(&d->image.acls, d->edit, key_of_uuid(&a->id), &a->item);
}

static int acl_remove(struct image_delta *d, const struct remove_access_control_entry_record *r,
		      struct err *err)
{
	if (!image_acl(&d->image, r->id))
		return err_set(err, E_CORRUPT, "removes an ACL that does not exist");
	pmap_remove(&d->image.acls, d->edit, key_of_uuid(&r->id));
	return 0;
}

static struct slice pack_bytes(struct packer *p, struct slice from)
{
	struct str copy = packer_str(p, (struct str){(const char *)from.data, from.len});

	return (struct slice){.data = (const uint8_t *)copy.data, .len = copy.len};
}

static struct str scram_key(struct packer *p, int8_t mechanism, struct str user)
{
	struct str key = {p->at, user.len + 1};

	*p->at++ = mechanism;
	packer_str(p, (struct str){user.data ? user.data : "", user.len});
	return key;
}

static void scram_set(struct image_delta *d, const struct user_scram_credential_record *r)
{
	struct packer p;
	struct scram_item *s =
		packer_alloc(&p, sizeof(*s),
			     2 * PACKER_STR(r->name) + 1 + PACKER_STR(r->salt) +
				     PACKER_STR(r->stored_key) + PACKER_STR(r->server_key));

	item_init(&s->scram.item, d->edit, security_destroy);
	s->scram.user = packer_str(&p, r->name);
	s->scram.mechanism = r->mechanism;
	s->scram.iterations = r->iterations;
	s->scram.salt = pack_bytes(&p, r->salt);
	s->scram.stored_key = pack_bytes(&p, r->stored_key);
	s->scram.server_key = pack_bytes(&p, r->server_key);
	s->key = scram_key(&p, r->mechanism, r->name);
	pmap_put(&d->image.scrams, d->edit, key_of_str(s->key), &s->scram.item);
}

static int scram_remove(struct image_delta *d, const struct remove_user_scram_credential_record *r,
			struct err *err)
{
	const struct image_scram *s = image_scram(&d->image, r->mechanism, r->name);

	if (!s)
		return err_set(err, E_CORRUPT, "removes a SCRAM credential that does not exist");
	item_ref(&s->item);
	pmap_remove(&d->image.scrams, d->edit,
		    key_of_str(((const struct scram_item *)(const void *)s)->key));
	item_unref((struct image_item *)(uintptr_t)&s->item);
	return 0;
}

static void token_set(struct image_delta *d, const struct delegation_token_record *r)
{
	uint32_t renewer_count = r->renewers_count > 0 ? (uint32_t)r->renewers_count : 0;
	size_t extra = PACKER_STR(r->owner) + PACKER_STR(r->requester) + PACKER_STR(r->token_id) +
		       PACKER_ROOM(renewer_count * sizeof(struct str));
	struct packer p;
	struct image_token *t;
	struct str *renewers;

	for (uint32_t i = 0; i < renewer_count; i++)
		extra += PACKER_STR(r->renewers[i]);
	t = packer_alloc(&p, sizeof(*t), extra);
	item_init(&t->item, d->edit, security_destroy);
	renewers = packer_room(&p, renewer_count * sizeof(*renewers));
	for (uint32_t i = 0; i < renewer_count; i++)
		renewers[i] = packer_str(&p, r->renewers[i]);
	t->renewers = renewers;
	t->renewer_count = renewer_count;
	t->owner = packer_str(&p, r->owner);
	t->requester = packer_str(&p, r->requester);
	t->token_id = packer_str(&p, r->token_id);
	t->issue_timestamp = r->issue_timestamp;
	t->max_timestamp = r->max_timestamp;
	t->expiration_timestamp = r->expiration_timestamp;
	pmap_put(&d->image.tokens, d->edit, key_of_str(t->token_id), &t->item);
}

int delta_security_record(struct image_delta *d, enum metadata_record_type type, const void *record,
			  struct err *err)
{
	const struct remove_delegation_token_record *remove_token = record;

	switch (type) {
	case ACCESS_CONTROL_ENTRY_RECORD: acl_set(d, record); return 0;
	case REMOVE_ACCESS_CONTROL_ENTRY_RECORD: return acl_remove(d, record, err);
	case USER_SCRAM_CREDENTIAL_RECORD: scram_set(d, record); return 0;
	case REMOVE_USER_SCRAM_CREDENTIAL_RECORD: return scram_remove(d, record, err);
	case DELEGATION_TOKEN_RECORD: token_set(d, record); return 0;
	default:
		assert(type == REMOVE_DELEGATION_TOKEN_RECORD);
		pmap_remove(&d->image.tokens, d->edit, key_of_str(remove_token->token_id));
		return 0;
	}
}
