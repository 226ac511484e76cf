#include "manager_config.h"

const struct config_item manager_config_items[] = {
	CONFIG_STR(struct manager_config, grpc_address, "grpc.address", "127.0.0.1:9090",
		   "address:port of AdminService and AuthService"),
	CONFIG_STR(struct manager_config, tls_ca_file, "tls.ca_file", "",
		   "CA of client certificates; empty: none is looked at"),
	CONFIG_STR(struct manager_config, tls_cert_file, "tls.cert_file", "",
		   "server certificate; empty: plain text, loopback only"),
	CONFIG_STR(struct manager_config, tls_key_file, "tls.key_file", "", "its key"),
	CONFIG_STR_REQUIRED(struct manager_config, db_conninfo, "db.conninfo",
			    "libpq connection of role tenant_manager; the password by passfile= or certificate"),
	CONFIG_STR(struct manager_config, db_migrate_conninfo, "db.migrate_conninfo", "",
		   "connection of the schema's owner, who migrates at the start; empty: somebody else has migrated"),
	CONFIG_INT(struct manager_config, db_connections, "db.connections", 4, 1, 64, "workers with a connection each"),
	CONFIG_INT(struct manager_config, login_connections, "db.login_connections", 1, 1, 16,
		   "workers for logins, each of which takes 0.1 s and 64 MiB"),
	CONFIG_STR_REQUIRED(struct manager_config, private_key_file, "auth.private_key_file",
			    "PEM of the key that signs tokens (P-256)"),
	CONFIG_STR_REQUIRED(struct manager_config, public_key_file, "auth.public_key_file", "PEM of its public half"),
	CONFIG_STR(struct manager_config, bootstrap_token_file, "auth.bootstrap_token_file", "",
		   "where an operator's token is kept for the first steps (mode 0600); empty: nowhere"),
	CONFIG_STR(
	    struct manager_config, master_file, "keys.master_file", "",
	    "the platform's master key, 64 hex digits, the same for tenant-manager, reporting and recorder; empty: "
	    "tenants can mark no field as sensitive"),
	CONFIG_INT(
	    struct manager_config, tokens_of_maker, "tokens.max_of_maker", 10000, 1, 1000000,
	    "live tokens that one subject has made by CreateToken in a tenant, or for operators; logins do not count"),
	CONFIG_INT(struct manager_config, tokens_of_tenant, "tokens.max_of_tenant", 20000, 1, 1000000,
		   "live tokens that all together have made so in a tenant, or for operators"),
	CONFIG_STR(struct manager_config, sip_domain_suffix, "tenants.sip_domain_suffix", "trunkline.local",
		   "a tenant created without sip_domain gets <id>.<this>"),
	CONFIG_INT(struct manager_config, delete_grace_s, "tenants.delete_grace_s", 604800, 0, 31536000,
		   "how long a deleted tenant can be undeleted, when its deletion does not say"),
	CONFIG_INT(
	    struct manager_config, id_rest_s, "tenants.id_rest_s", 87000, 0, 31536000,
	    "how long after its purge a tenant's id is not given again: the longest life of a token, 24 h, and more"),
	CONFIG_INT(struct manager_config, max_config_bytes, "publish.max_config_bytes", 7000000, 10000, 60000000,
		   "of one tenant without agents; below max_payload of NATS"),
	CONFIG_INT(struct manager_config, flow_versions_kept, "flows.versions_kept", 50, 1, 1000,
		   "published versions of a flow that can be read and rolled back to, the live one among them"),
	CONFIG_INT(struct manager_config, uploads_idle_s, "uploads.idle_s", 60, 1, 3600,
		   "an upload of a prompt or a table from which nothing comes for so long is failed"),
	CONFIG_INT(
	    struct manager_config, uploads_min_bytes_per_s, "uploads.min_bytes_per_s", 8000, 0, 1000000000,
	    "what an upload must bring on average, once uploads.idle_s is over, lest it be failed; 0: no matter"),
	CONFIG_END,
};
