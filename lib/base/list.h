/* Intrusive doubly linked list: an element embeds a `struct list_node`, an append never fails.
 * The head is a node too; an empty list's head points at itself. */
#ifndef KAVKA_BASE_LIST_H
#define KAVKA_BASE_LIST_H

#include "check.h"

#include <stdbool.h>

struct list_node {
	struct list_node *next, *prev;
};

static inline void list_init(struct list_node *head)
{
	head->next = head->prev = head;
}
static inline bool list_empty(const struct list_node *head)
{
	return head->next == head;
}
/* A node that is in no list has next == NULL (zeroed, or removed). */
static inline bool list_linked(const struct list_node *node)
{
	return node->next != NULL;
}
static inline void list_insert(struct list_node *node, struct list_node *prev)
{
	assert(!list_linked(node));
	node->prev = prev;
	node->next = prev->next;
	prev->next->prev = node;
	prev->next = node;
}
static inline void list_push_back(struct list_node *head, struct list_node *node)
{
	list_insert(node, head->prev);
}
static inline void list_push_front(struct list_node *head, struct list_node *node)
{
	list_insert(node, head);
}
static inline void list_remove(struct list_node *node)
{
	if (!list_linked(node))
		return;
	node->prev->next = node->next;
	node->next->prev = node->prev;
	node->next = node->prev = NULL;
}
static inline struct list_node *list_pop_front(struct list_node *head)
{
	struct list_node *node = head->next;

	if (node == head)
		return NULL;
	list_remove(node);
	return node;
}

#define LIST_ENTRY(node, type, member) CONTAINER_OF(node, type, member)
#define LIST_FIRST(head, type, member) \
	(list_empty(head) ? NULL : LIST_ENTRY((head)->next, type, member))
#define LIST_LAST(head, type, member) \
	(list_empty(head) ? NULL : LIST_ENTRY((head)->prev, type, member))

/* The current element may be removed and freed inside the loop. */
#define LIST_FOREACH(head, item, type, member)                                                   \
	for (struct list_node *item##_node = (head)->next, *item##_next = item##_node->next;     \
	     item##_node != (head) && ((item = LIST_ENTRY(item##_node, type, member)), true);   \
	     item##_node = item##_next, item##_next = item##_node->next)

#endif
