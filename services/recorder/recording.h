/* recording: one row of the index, as plain struct. */
#ifndef RECORDER_RECORDING_H
#define RECORDER_RECORDING_H

#include <stdbool.h>
#include <stdint.h>
#include "encode.h"

#define RECORDING_ID 64

enum recording_state { RECORDING_RUNNING, RECORDING_STORED, RECORDING_LOST };

struct recording {
	char tenant[RECORDING_ID], id[RECORDING_ID];
	char call_id[RECORDING_ID], leg_id[RECORDING_ID], agent_id[RECORDING_ID], queue_id[RECORDING_ID];
	char caller[RECORDING_ID], called[RECORDING_ID];
	int64_t started_ms, stored_ms;
	enum recording_state state;
	uint64_t samples; /* at 8 kHz */
	bool complete;
	char path[ENCODE_PATH];
	char data_key[SEALEDFILE_LABEL]; /* of the files, as it is stored: an envelope; "": they are in clear */
	uint64_t stereo_bytes, mono_bytes;
};

#endif
