/* recorder_config: the settings of the recorder. */
#ifndef RECORDER_CONFIG_H
#define RECORDER_CONFIG_H

#include "config/config.h"

struct recorder_config {
	char *data_dir;
	char *db_conninfo, *db_migrate_conninfo;
	int64_t db_connections;
	char *grpc_address, *tls_ca_file, *tls_cert_file, *tls_key_file;
	char *public_key_file, *master_file;
	int64_t workers, orphan_minutes, lost_minutes, ack_wait_ms, settle_ms, stereo_kbps, mono_kbps;
};
extern const struct config_item recorder_config_items[];

#endif
