/*
 * upload: UploadPrompt: the file is gathered on the loop, converted and stored on a database worker.
 */
#ifndef TM_UPLOAD_H
#define TM_UPLOAD_H

#include "request.h"

/* A caller's identity, kept with the call, and the upload under way on it (of a prompt, or for an import). */
struct session {
	struct auth_user user;
	struct upload *upload;
	struct import_upload *import;
};

err_t upload_register(struct manager *tm) MUST;
void upload_free(struct upload *up);

#endif
