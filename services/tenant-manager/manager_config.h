#ifndef TM_MANAGER_CONFIG_H
#define TM_MANAGER_CONFIG_H

#include "config/config.h"

struct manager_config {
	char *grpc_address;
	char *tls_ca_file, *tls_cert_file, *tls_key_file;
	char *db_conninfo, *db_migrate_conninfo;
	int64_t db_connections, login_connections;
	char *private_key_file, *public_key_file, *bootstrap_token_file;
	char *master_file;
	int64_t tokens_of_maker, tokens_of_tenant;
	char *sip_domain_suffix;
	int64_t delete_grace_s, id_rest_s;
	int64_t max_config_bytes;
	int64_t flow_versions_kept;
	int64_t uploads_idle_s, uploads_min_bytes_per_s;
};
extern const struct config_item manager_config_items[];

#endif
