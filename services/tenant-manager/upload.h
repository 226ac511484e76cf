/*
 * upload: UploadPrompt: the file is gathered on the loop, converted and stored on a database worker.
 */
#ifndef TM_UPLOAD_H
#define TM_UPLOAD_H

#include "request.h"

/* A caller's identity, kept with the call, and the upload under way on it. */
struct session {
	struct auth_user user;
	struct upload *upload;
};

err_t upload_register(struct manager *tm) MUST;
void upload_free(struct upload *up);

#endif
