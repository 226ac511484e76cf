/*
 * apply: resources as a file describes them (apply.c has the form): read and ordered, compared with what is there, written.
 *
 *	struct apply_list list = { .file = "acme.yaml" };
 *	err_t e = apply_collect(&list, documents, detail);
 *	for (size_t i = 0; !e && i < list.n; i++)
 *		e = apply_write(rm, cli, &list.items[i], list.file, &did, &result, detail);
 *	mem_free(list.items);
 */
#ifndef TRUNKLINE_APPLY_H
#define TRUNKLINE_APPLY_H

#include "resource.h"

enum apply_change { APPLY_SAME, APPLY_NEW, APPLY_CHANGED };

struct apply_item {
	json_t *json;	 /* of the documents: they must live as long */
	size_t rank, at; /* of its kind: what others refer to comes first; in the file, from 0 */
	const struct catalog_resource *resource;
};
struct apply_list {
	struct apply_item *items; /* the caller's mem_free */
	size_t n, cap;
	const char *file, *only; /* for errors, and where audio is looked for; kind, NULL: all */
};

/* documents: an array of resources, or of arrays of them. Appends, ordered. ERR_INVALID names the item. */
err_t apply_collect(struct apply_list *p, json_t *documents, struct err_detail *detail) MUST;
/* NULL: it has none. Of a number the number itself. Lives until the next call. */
const char *apply_id(const struct apply_item *it);
/* Without a server: has it an id, are all fields there and of their types? */
err_t apply_check(const struct apply_item *it, struct err_detail *detail) MUST;
/* Changes nothing: the service is asked what a change would make of it, and that is compared with what is there. ask: of a new one,
 * too, which wants that what it refers to is there. A password cannot be read back: another one is no change. */
err_t apply_compare(struct remote *rm, const struct cli *cli, const struct apply_item *it, const char *file, bool ask,
		    enum apply_change *ret, struct err_detail *detail) MUST;
/* Created or changed; *did: which, in a word. *ret: a new reference to the resource as it is now. */
err_t apply_write(struct remote *rm, const struct cli *cli, const struct apply_item *it, const char *file,
		  const char **did, json_t **ret, struct err_detail *detail) MUST;

#endif
