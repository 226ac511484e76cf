/* KeyProgress as bytes. */
#include "trunkline/config/v1/config.pb-c.h"
#include "vault_internal.h"

size_t vault_progress_to_pb(uint32_t version, int64_t done, int64_t total, bool finished, uint8_t ret[VAULT_PROGRESS])
{
	Trunkline__Config__V1__KeyProgress m = TRUNKLINE__CONFIG__V1__KEY_PROGRESS__INIT;

	m.version = version;
	m.done_rows = done;
	m.total_rows = total;
	m.finished = finished;
	return trunkline__config__v1__key_progress__pack(&m, ret);
}
