#include "tls.h"

#include "base/str.h"

#include <arpa/inet.h>
#include <limits.h>
#include <openssl/err.h>
#include <stdio.h>

#define READ_BYTES (64u << 10)

static const char *reason(void)
{
	const char *text = ERR_reason_error_string(ERR_peek_last_error());

	return text ? text : "unknown";
}

static err_t load_files(SSL_CTX *ctx, const char *ca, const char *cert, const char *key, struct err_detail *detail)
{
	if (str_empty(ca) ? SSL_CTX_set_default_verify_paths(ctx) != 1
			  : SSL_CTX_load_verify_locations(ctx, ca, NULL) != 1)
		return err_set(detail, ERR_INVALID, "nats.ca_file", "%s cannot be read as PEM certificates: %s", ca,
			       reason());
	if (str_empty(cert))
		return ERR_OK;
	if (SSL_CTX_use_certificate_chain_file(ctx, cert) != 1)
		return err_set(detail, ERR_INVALID, "nats.cert_file", "%s cannot be read as a PEM certificate: %s",
			       cert, reason());
	if (SSL_CTX_use_PrivateKey_file(ctx, key ? key : "", SSL_FILETYPE_PEM) != 1 ||
	    SSL_CTX_check_private_key(ctx) != 1)
		return err_set(detail, ERR_INVALID, "nats.key_file", "%s is not the key of the certificate: %s",
			       key ? key : "", reason());
	return ERR_OK;
}

err_t tls_context_new(SSL_CTX **ret, const char *ca_file, const char *cert_file, const char *key_file,
		      struct err_detail *detail)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	err_t e;

	if (!ctx)
		return ERR_EXHAUSTED;
	ERR_clear_error();
	SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
	/* All records that have arrived in one read: the server writes a record for each of its turns. */
	SSL_CTX_set_read_ahead(ctx, 1);
	SSL_CTX_set_default_read_buffer_len(ctx, READ_BYTES);
	SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	e = load_files(ctx, ca_file, cert_file, key_file, detail);
	ERR_clear_error();
	if (e)
		SSL_CTX_free(ctx);
	else
		*ret = ctx;
	return e;
}

static bool is_address(const char *host)
{
	unsigned char buf[sizeof(struct in6_addr)];

	return inet_pton(AF_INET, host, buf) == 1 || inet_pton(AF_INET6, host, buf) == 1;
}

static bool expect_host(SSL *ssl, const char *host)
{
	if (is_address(host))
		return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host) == 1;
	return SSL_set1_host(ssl, host) == 1 && SSL_set_tlsext_host_name(ssl, host) == 1;
}

err_t tls_start(SSL_CTX *ctx, int fd, const char *host, SSL **ret)
{
	SSL *ssl = SSL_new(ctx);

	if (!ssl)
		return ERR_EXHAUSTED;
	if (SSL_set_fd(ssl, fd) != 1 || !expect_host(ssl, host)) {
		SSL_free(ssl);
		return ERR_INTERNAL;
	}
	SSL_set_connect_state(ssl);
	*ret = ssl;
	return ERR_OK;
}

enum tls_progress tls_handshake(SSL *ssl, char *why, size_t why_size)
{
	int r;

	ERR_clear_error();
	r = SSL_do_handshake(ssl);
	if (r == 1)
		return TLS_DONE;
	switch (SSL_get_error(ssl, r)) {
	case SSL_ERROR_WANT_READ:
		return TLS_WANT_READ;
	case SSL_ERROR_WANT_WRITE:
		return TLS_WANT_WRITE;
	default:
		(void)snprintf(why, why_size, "TLS: %s%s%s", reason(),
			       SSL_get_verify_result(ssl) != X509_V_OK ? ": " : "",
			       SSL_get_verify_result(ssl) != X509_V_OK
				   ? X509_verify_cert_error_string(SSL_get_verify_result(ssl))
				   : "");
		return TLS_FAILED;
	}
}

static ssize_t outcome(SSL *ssl, int r)
{
	int error;

	if (r > 0)
		return r;
	error = SSL_get_error(ssl, r);
	return error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE ? 0 : -1;
}

ssize_t tls_read(SSL *ssl, void *buf, size_t size)
{
	ERR_clear_error();
	return outcome(ssl, SSL_read(ssl, buf, size > INT_MAX ? INT_MAX : (int)size));
}

ssize_t tls_write(SSL *ssl, const void *data, size_t size)
{
	ERR_clear_error();
	return outcome(ssl, SSL_write(ssl, data, size > INT_MAX ? INT_MAX : (int)size));
}
