/*
 * download: sends a file of a recording in chunks, as fast as the reader takes them: nothing is read ahead. Loop thread.
 */
#ifndef RECORDER_DOWNLOAD_H
#define RECORDER_DOWNLOAD_H

#include "recorder_wire.h"

/* The call is finished by it from here on, unless it returns an error (the file cannot be opened: as
 * audiofile_open(), or ERR_UNAVAILABLE). */
err_t download_start(struct rpc_call *call, const char *dir, struct vault *vault, const struct recording *r,
		     enum recording_format format, struct err_detail *detail) MUST;

#endif
