#include "rpc_internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/filestamp.h"
#include "base/mem.h"
#include "pbcheck/pbcheck.h"

#define PEM_MAX (1u << 20)

/* gRPC writes to standard error by itself, also what a stranger's failed handshake makes it write: only on request. */
void rpc_core_init(void)
{
	gpr_set_log_function(rpc_deaf_log);
	grpc_init();
}

void rpc_core_done(void)
{
	grpc_shutdown();
}

grpc_byte_buffer *rpc_buffer_pack(const ProtobufCMessage *msg)
{
	size_t size = protobuf_c_message_get_packed_size(msg);
	grpc_slice slice = grpc_slice_malloc(size);
	grpc_byte_buffer *buffer;

	protobuf_c_message_pack(msg, GRPC_SLICE_START_PTR(slice));
	buffer = grpc_raw_byte_buffer_create(&slice, 1);
	grpc_slice_unref(slice);
	return buffer;
}

err_t rpc_buffer_unpack(ProtobufCMessage **ret, const ProtobufCMessageDescriptor *desc, grpc_byte_buffer *buffer,
			struct err_detail *detail)
{
	grpc_byte_buffer_reader reader;
	grpc_slice slice;
	err_t e;

	if (!grpc_byte_buffer_reader_init(&reader, buffer)) {
		grpc_byte_buffer_destroy(buffer);
		return err_set(detail, ERR_INVALID, "", "the message cannot be decompressed");
	}
	slice = grpc_byte_buffer_reader_readall(&reader);
	e = pbcheck_unpack(ret, desc, GRPC_SLICE_START_PTR(slice), GRPC_SLICE_LENGTH(slice), detail);
	grpc_slice_unref(slice);
	grpc_byte_buffer_reader_destroy(&reader);
	grpc_byte_buffer_destroy(buffer);
	return e;
}

static err_t read_pem(struct str *out, const char *path, struct err_detail *detail)
{
	char part[4096];
	size_t n;
	FILE *f = fopen(path, "re");

	if (!f)
		return err_set(detail, err_from_errno(errno), "tls", "%s: %s", path, strerror(errno));
	while ((n = fread(part, 1, sizeof(part), f)) > 0 && out->len < PEM_MAX)
		str_append_n(out, part, n);
	fclose(f);
	if (out->failed)
		return ERR_EXHAUSTED;
	if (!strstr(str_text(out), "-----BEGIN "))
		return err_set(detail, ERR_INVALID, "tls", "%s: must be a PEM file", path);
	return ERR_OK;
}

struct pems {
	struct str ca, cert, key;
};

static err_t pems_load(struct pems *p, const struct rpc_tls *tls, struct err_detail *detail)
{
	err_t e = ERR_OK;

	if (str_empty(tls->cert_file) != str_empty(tls->key_file))
		return err_set(detail, ERR_INVALID, "tls", "certificate and key must be given together");
	if (!str_empty(tls->ca_file))
		e = read_pem(&p->ca, tls->ca_file, detail);
	if (!e && !str_empty(tls->cert_file))
		e = read_pem(&p->cert, tls->cert_file, detail);
	if (!e && !str_empty(tls->key_file))
		e = read_pem(&p->key, tls->key_file, detail);
	return e;
}

static void pems_done(struct pems *p)
{
	str_done(&p->ca);
	str_done(&p->cert);
	str_done(&p->key);
}

static bool tls_off(const struct rpc_tls *tls)
{
	return str_empty(tls->ca_file) && str_empty(tls->cert_file) && str_empty(tls->key_file);
}

static grpc_ssl_client_certificate_request_type request_type(const struct rpc_tls *tls)
{
	if (tls->require_client_cert)
		return GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY;
	if (!str_empty(tls->ca_file))
		return GRPC_SSL_REQUEST_CLIENT_CERTIFICATE_AND_VERIFY;
	return GRPC_SSL_DONT_REQUEST_CLIENT_CERTIFICATE;
}

static err_t server_creds_check(const struct rpc_tls *tls, struct err_detail *detail)
{
	if (str_empty(tls->cert_file))
		return err_set(detail, ERR_INVALID, "tls.cert_file", "a server with TLS needs certificate and key");
	if (tls->require_client_cert && str_empty(tls->ca_file))
		return err_set(detail, ERR_INVALID, "tls.ca_file", "is needed to verify client certificates");
	return ERR_OK;
}

/* Half-written files, or a key that is not the certificate's: what was read before goes on, and the next handshake looks again. */
static grpc_ssl_certificate_config_reload_status fetch_certs(void *arg, grpc_ssl_server_certificate_config **ret)
{
	struct rpc_certs *c = arg;
	int64_t now = filestamp((const char *const[]){ c->tls.ca_file, c->tls.cert_file, c->tls.key_file }, 3);
	struct pems p = { STR_INIT, STR_INIT, STR_INIT };
	grpc_ssl_pem_key_cert_pair pair;
	struct err_detail d;

	if (now == c->stamp)
		return GRPC_SSL_CERTIFICATE_CONFIG_RELOAD_UNCHANGED;
	*ret = NULL;
	if (!pems_load(&p, &c->tls, &d)) {
		pair = (grpc_ssl_pem_key_cert_pair){ str_text(&p.key), str_text(&p.cert) };
		/* gRPC wants some authority here even when it asks no client for a certificate. */
		*ret =
		    grpc_ssl_server_certificate_config_create(p.ca.len ? str_text(&p.ca) : pair.cert_chain, &pair, 1);
	}
	pems_done(&p);
	if (!*ret)
		return GRPC_SSL_CERTIFICATE_CONFIG_RELOAD_FAIL;
	c->stamp = now;
	return GRPC_SSL_CERTIFICATE_CONFIG_RELOAD_NEW;
}

err_t rpc_creds_server(grpc_server_credentials **ret, struct rpc_certs *c, struct err_detail *detail)
{
	struct pems p = { STR_INIT, STR_INIT, STR_INIT };
	err_t e;

	if (tls_off(&c->tls)) {
		*ret = grpc_insecure_server_credentials_create();
		return ERR_OK;
	}
	e = server_creds_check(&c->tls, detail);
	if (!e)
		e = pems_load(&p, &c->tls, detail); /* to say what is wrong with them */
	pems_done(&p);
	if (e)
		return e;
	*ret = grpc_ssl_server_credentials_create_with_options(
	    grpc_ssl_server_credentials_create_options_using_config_fetcher(request_type(&c->tls), fetch_certs, c));
	return *ret ? ERR_OK : err_set(detail, ERR_INVALID, "tls", "certificate or key is not usable");
}

err_t rpc_creds_client(grpc_channel_credentials **ret, const struct rpc_tls *tls, struct err_detail *detail)
{
	struct pems p = { STR_INIT, STR_INIT, STR_INIT };
	grpc_ssl_pem_key_cert_pair pair;
	err_t e;

	if (tls_off(tls)) {
		*ret = grpc_insecure_credentials_create();
		return ERR_OK;
	}
	if (str_empty(tls->ca_file))
		return err_set(detail, ERR_INVALID, "tls.ca_file", "is needed to verify the server");
	e = pems_load(&p, tls, detail);
	if (!e) {
		pair = (grpc_ssl_pem_key_cert_pair){ str_text(&p.key), str_text(&p.cert) };
		*ret = grpc_ssl_credentials_create_ex(str_text(&p.ca), p.cert.len ? &pair : NULL, NULL, NULL);
		if (!*ret)
			e = err_set(detail, ERR_INVALID, "tls", "certificate or key is not usable");
	}
	pems_done(&p);
	return e;
}

static bool property(const grpc_auth_context *ctx, const char *name, struct str *out)
{
	grpc_auth_property_iterator it = grpc_auth_context_find_properties_by_name(ctx, name);
	const grpc_auth_property *p = grpc_auth_property_iterator_next(&it);

	if (!p || !p->value_length || memchr(p->value, '\0', p->value_length))
		return false;
	str_append_n(out, p->value, p->value_length);
	return !out->failed;
}

bool rpc_creds_identity(grpc_call *call, struct str *out)
{
	static const char *const names[] = { GRPC_PEER_SPIFFE_ID_PROPERTY_NAME, GRPC_PEER_DNS_PROPERTY_NAME,
					     GRPC_X509_CN_PROPERTY_NAME };
	grpc_auth_context *ctx = grpc_call_auth_context(call);
	bool found = false;

	if (!ctx)
		return false;
	if (grpc_auth_context_peer_is_authenticated(ctx))
		for (size_t i = 0; !found && i < ARRAY_SIZE(names); i++)
			found = property(ctx, names[i], out);
	grpc_auth_context_release(ctx);
	return found;
}
