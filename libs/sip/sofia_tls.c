#include "sip/sofia_tls.h"

#include <dlfcn.h>
#include <openssl/bio.h>
#include <openssl/ssl.h>
#include <sofia-sip/su_alloc.h>
#include <stdbool.h>
#include <string.h>

/* The beginning of Sofia's struct tls_s (tport_tls.c of 1.12.11; the offsets were checked in the package's code). */
struct sofia_tls {
	su_home_t home[1];
	SSL_CTX *ctx;
	SSL *con;
	BIO *bio_con;
};

extern char const *const sofia_sip_name_version;

static bool known_version(void)
{
	return strcmp(sofia_sip_name_version, "sofia-sip-1.12.11devel") == 0;
}

static void free_by_library(void *tls)
{
	void (*next)(void *) = (void (*)(void *))dlsym(RTLD_NEXT, "tls_free");

	if (next)
		next(tls);
}

void sofia_tls_free(void *arg)
{
	struct sofia_tls *tls = arg;

	if (!tls)
		return;
	if (!known_version()) {
		free_by_library(tls);
		return;
	}
	if (tls->con) {
		SSL_shutdown(tls->con);
		SSL_free(tls->con); /* with its BIO and its reference to the context */
	} else if (tls->bio_con) {
		BIO_free(tls->bio_con); /* SSL_new() failed; the context is the master's */
	} else {
		SSL_CTX_free(tls->ctx); /* the master */
	}
	tls->con = NULL;
	tls->bio_con = NULL;
	tls->ctx = NULL;
	su_home_unref(tls->home);
}
