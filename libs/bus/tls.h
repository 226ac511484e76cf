/* tls: OpenSSL on a non-blocking socket, client side, for conn. */
#ifndef BUS_TLS_H
#define BUS_TLS_H

#include <openssl/ssl.h>
#include <sys/types.h>
#include "base/err.h"

enum tls_progress { TLS_DONE, TLS_WANT_READ, TLS_WANT_WRITE, TLS_FAILED };

/* cert_file and key_file may be empty (no client certificate). The server's certificate is always verified. */
err_t tls_context_new(SSL_CTX **ret, const char *ca_file, const char *cert_file, const char *key_file,
		      struct err_detail *detail) MUST;
err_t tls_start(SSL_CTX *ctx, int fd, const char *host, SSL **ret) MUST;
enum tls_progress tls_handshake(SSL *ssl, char *why, size_t why_size);
/* Bytes, 0: would block, -1: broken or closed. */
ssize_t tls_read(SSL *ssl, void *buf, size_t size);
ssize_t tls_write(SSL *ssl, const void *data, size_t size);

#endif
