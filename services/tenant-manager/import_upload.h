/*
 * import_upload: CreateImport: the file is gathered on the loop, stored by a database worker; importer.c does the rest.
 */
#ifndef TM_IMPORT_UPLOAD_H
#define TM_IMPORT_UPLOAD_H

#include "request.h"
#include "upload_slot.h"
#include "trunkline/admin/v1/admin.pb-c.h"

struct import_upload {
	struct upload_slot slot;
	struct arena arena; /* of the header */
	Trunkline__Admin__V1__CreateImportHeader *header;
	struct request rq;
	struct str file;
	char sha256[65]; /* by the first attempt to store it */
};

err_t import_upload_register(struct manager *tm) MUST;
void import_upload_free(struct import_upload *up);

#endif
