/* resource: requests to AdminService for any kind of resource, in JSON. */
#ifndef TRUNKLINE_RESOURCE_H
#define TRUNKLINE_RESOURCE_H

#include "catalog.h"

/* "tenants/acme/queues/sales"; of a tenant "tenants/acme". */
err_t resource_name(struct str *out, const struct cli *cli, const struct catalog_resource *r, const char *id,
		    struct err_detail *detail) MUST;
err_t resource_parent(struct str *out, const struct cli *cli, struct err_detail *detail) MUST;
/* fields is taken over in each. *ret: the resource as it is now. */
err_t resource_create(struct remote *rm, const struct cli *cli, const struct catalog_resource *r, const char *id,
		      json_t *fields, json_t **ret, struct err_detail *detail) MUST;
err_t resource_update(struct remote *rm, const struct cli *cli, const struct catalog_resource *r, const char *id,
		      json_t *fields, json_t **ret, struct err_detail *detail) MUST;
err_t resource_get(struct remote *rm, const struct cli *cli, const struct catalog_resource *r, const char *id,
		   json_t **ret, struct err_detail *detail) MUST;
/* A method of AdminService that takes a header and a file. */
err_t resource_send_file(struct remote *rm, const char *method, json_t *header, const char *file, json_t **ret,
			 struct err_detail *detail) MUST;
/* Audio of a prompt, made or replaced. display_name may be NULL. */
err_t resource_upload(struct remote *rm, const struct cli *cli, const char *id, const char *display_name,
		      const char *file, json_t **ret, struct err_detail *detail) MUST;
/* The request of any method, from words and flags. */
err_t method_request(json_t **ret, const struct cli *cli, const struct catalog_verb *v, struct err_detail *detail) MUST;
/* All pages; *ret: the first page's answer with the whole list. A page size that was asked for is one page. */
err_t method_pages(struct remote *rm, const struct catalog_verb *v, json_t *req, json_t **ret,
		   struct err_detail *detail) MUST;
/* A list, page by page, as a table; req is taken over. */
err_t method_table(const struct cli *cli, const struct catalog_verb *v, json_t *req, struct err_detail *detail) MUST;
/* One line from standard input. */
err_t resource_password(const struct cli *cli, char *buf, size_t size, struct err_detail *detail) MUST;

#endif
