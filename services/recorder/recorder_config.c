#include "recorder_config.h"

#define S struct recorder_config
const struct config_item recorder_config_items[] = {
	CONFIG_STR(S, data_dir, "data.dir", "/var/lib/trunkline/recordings",
		   "where media writes segments (<tenant>/<id>.seg) and files go (<tenant>/YYYY/MM/DD/<id>.mp3)"),
	CONFIG_STR_REQUIRED(S, db_conninfo, "db.conninfo",
			    "libpq connection of role recorder; the password by passfile= or certificate"),
	CONFIG_STR(S, db_migrate_conninfo, "db.migrate_conninfo", "",
		   "connection of the schema's owner, who migrates at the start; empty: somebody else has migrated"),
	CONFIG_INT(S, db_connections, "db.connections", 2, 1, 64, "workers with a connection each"),
	CONFIG_STR(S, grpc_address, "grpc.address", "127.0.0.1:9095", "address:port of RecordingService"),
	CONFIG_STR(S, tls_ca_file, "tls.ca_file", "", "CA of client certificates; empty: none is looked at"),
	CONFIG_STR(S, tls_cert_file, "tls.cert_file", "", "server certificate; empty: plain text, loopback only"),
	CONFIG_STR(S, tls_key_file, "tls.key_file", "", "its key"),
	CONFIG_STR_REQUIRED(S, public_key_file, "auth.public_key_file",
			    "public key that tokens are verified with (PEM, P-256)"),
	CONFIG_STR(S, master_file, "keys.master_file", "",
		   "the platform's master key, 64 hex digits, that of tenant-manager; empty: there is none"),
	CONFIG_INT(
	    S, settle_ms, "keys.settle_ms", 60000, 0, 3600000,
	    "so long after a new version of a tenant's key nothing is written with the former one any more, by any "
	    "instance: one that has not heard from NATS for half of it writes nothing until it does; 0: for tests"),
	CONFIG_INT(S, workers, "recorder.workers", 1, 1, 64, "threads of low priority that make MP3"),
	CONFIG_INT(S, orphan_minutes, "recorder.orphan_minutes", 10, 1, 10080,
		   "a segment that nobody has written for so long is taken in without its event"),
	CONFIG_INT(S, lost_minutes, "recorder.lost_minutes", 10, 0, 10080,
		   "how long a segment may be missing after its event before the recording counts as lost"),
	CONFIG_INT(S, ack_wait_ms, "recorder.ack_wait_ms", 30000, 1000, 3600000,
		   "when the event of a recording whose recorder died comes to another"),
	CONFIG_INT(S, stereo_kbps, "mp3.stereo_kbps", 32, 16, 64, "of the stereo file"),
	CONFIG_INT(S, mono_kbps, "mp3.mono_kbps", 16, 8, 64, "of the mono file"),
	CONFIG_END
};
#undef S
