#include "testkit_internal.h"

#include <stdio.h>
#include <unistd.h>

static void openssl(const char *const *argv)
{
	struct str out = STR_INIT;

	if (testkit_run(argv, &out, 30000) != 0)
		testkit_die("%s %s: %s", argv[0], argv[1], str_text(&out));
	str_done(&out);
}

static void make_ca(const char *cert, const char *key)
{
	openssl((const char *[]){ "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
				  "-nodes", "-days", "2", "-subj", "/CN=Trunkline test CA", "-keyout", key, "-out",
				  cert, NULL });
}

void testkit_certificate(const char *dir, const char *name)
{
	char ca[256], ca_key[256], cert[256], key[256], csr[256], ext[TESTKIT_PATH + 64], subject[128], text[256];

	snprintf(ca, sizeof(ca), "%s/ca.pem", dir);
	snprintf(ca_key, sizeof(ca_key), "%s/ca.key", dir);
	snprintf(cert, sizeof(cert), "%s/%s.pem", dir, name);
	snprintf(key, sizeof(key), "%s/%s.key", dir, name);
	snprintf(csr, sizeof(csr), "%s/%s.csr", dir, name);
	snprintf(subject, sizeof(subject), "/CN=%s", name);
	snprintf(text, sizeof(text),
		 "subjectAltName=DNS:%s,DNS:localhost,IP:127.0.0.1\nextendedKeyUsage=serverAuth,clientAuth\n", name);
	testkit_file(dir, "extensions.cnf", text, ext);
	if (access(ca, R_OK) != 0)
		make_ca(ca, ca_key);
	openssl((const char *[]){ "openssl", "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
				  "-nodes", "-subj", subject, "-keyout", key, "-out", csr, NULL });
	openssl((const char *[]){ "openssl", "x509", "-req", "-in", csr, "-CA", ca, "-CAkey", ca_key, "-CAcreateserial",
				  "-days", "2", "-extfile", ext, "-out", cert, NULL });
}
