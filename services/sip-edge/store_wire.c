/* The part of edge_wire.h that is about KV records (store.proto). */
#include "edge_wire.h"
#include "base/mem.h"
#include "sip/sip_user.h"
#include "trunkline/edge/v1/store.pb-c.h"

#include <string.h>

#define URI_MAX	 1024
#define TEXT_MAX 512

static void pack_whole(struct str *out, const ProtobufCMessage *m)
{
	size_t n = protobuf_c_message_get_packed_size(m);
	uint8_t *buf = mem_alloc(n);

	if (!buf) {
		out->failed = true;
		return;
	}
	protobuf_c_message_pack(m, buf);
	str_append_n(out, buf, n);
	mem_free(buf);
}

/* ---- bindings ---- */

void edge_wire_bindings_to_pb(struct str *out, const struct aor *a, const char *writer)
{
	Trunkline__Edge__V1__Bindings m = TRUNKLINE__EDGE__V1__BINDINGS__INIT;
	Trunkline__Edge__V1__Binding all[REG_CONTACTS], *list[REG_CONTACTS];
	char *paths[REG_CONTACTS];

	for (size_t i = 0; i < a->n; i++) {
		const struct binding *b = &a->b[i];

		list[i] = &all[i];
		paths[i] = b->path;
		trunkline__edge__v1__binding__init(&all[i]);
		all[i].contact = b->contact;
		all[i].route = b->route;
		all[i].n_path = b->path[0] ? 1 : 0;
		all[i].path = &paths[i];
		all[i].call_id = b->call_id;
		all[i].cseq = b->cseq;
		all[i].expires_ms = b->expires_ms;
		all[i].q = b->q;
		all[i].instance_id = b->instance_id;
		all[i].user_agent = b->user_agent;
		all[i].edge = b->edge;
	}
	m.writer = (char *)writer;
	m.n_bindings = a->n;
	m.bindings = list;
	pack_whole(out, &m.base);
}

static bool binding_ok(const Trunkline__Edge__V1__Binding *m)
{
	return m->contact[0] && sip_header_value_ok(m->contact, URI_MAX) && sip_header_value_ok(m->route, URI_MAX) &&
	       m->n_path <= 1 && (m->n_path == 0 || sip_header_value_ok(m->path[0], 4 * URI_MAX)) &&
	       sip_header_value_ok(m->call_id, TEXT_MAX) && sip_header_value_ok(m->instance_id, TEXT_MAX) &&
	       sip_header_value_ok(m->user_agent, TEXT_MAX) && sip_header_value_ok(m->edge, TEXT_MAX) && m->q <= 1000;
}

static err_t binding_from_pb(struct binding *b, const Trunkline__Edge__V1__Binding *m)
{
	if (!binding_ok(m))
		return ERR_INVALID;
	*b = (struct binding){
		.contact = mem_strdup(m->contact),
		.route = mem_strdup(m->route),
		.path = mem_strdup(m->n_path ? m->path[0] : ""),
		.call_id = mem_strdup(m->call_id),
		.instance_id = mem_strdup(m->instance_id),
		.user_agent = mem_strdup(m->user_agent),
		.edge = mem_strdup(m->edge),
		.cseq = m->cseq,
		.q = m->q,
		.expires_ms = m->expires_ms,
	};
	if (b->contact && b->route && b->path && b->call_id && b->instance_id && b->user_agent && b->edge)
		return ERR_OK;
	binding_done(b);
	return ERR_EXHAUSTED;
}

err_t edge_wire_bindings_from_pb(struct aor *ret, const char *key, const void *data, size_t size, const char *instance,
				 bool *ret_own)
{
	Trunkline__Edge__V1__Bindings *m = trunkline__edge__v1__bindings__unpack(NULL, size, data);
	struct aor a = { .n = 0 };
	err_t e = m && m->n_bindings <= REG_CONTACTS && str_copy(a.key, sizeof(a.key), key) ? ERR_OK : ERR_INVALID;

	for (size_t i = 0; !e && i < m->n_bindings; i++) {
		e = binding_from_pb(&a.b[a.n], m->bindings[i]);
		if (!e)
			a.n++;
	}
	if (e) {
		while (a.n)
			binding_done(&a.b[--a.n]);
	} else {
		*ret_own = str_eq(m->writer, instance);
		*ret = a;
	}
	if (m)
		trunkline__edge__v1__bindings__free_unpacked(m, NULL);
	return e;
}

/* ---- INVITEs that are not answered ---- */

void edge_wire_invite_to_pb(struct str *out, const struct invite_record *r)
{
	Trunkline__Edge__V1__InviteRecord m = TRUNKLINE__EDGE__V1__INVITE_RECORD__INIT;

	m.request = (ProtobufCBinaryData){ .data = (uint8_t *)r->request.data, .len = r->request.size };
	m.source = (char *)r->source;
	m.to_tag = (char *)r->to_tag;
	m.trunk_id = (char *)r->trunk_id;
	m.agent_id = (char *)r->agent_id;
	m.called = (char *)r->called;
	pack_whole(out, &m.base);
}

static bool invite_ok(const Trunkline__Edge__V1__InviteRecord *m)
{
	return m->request.len && m->source[0] && sip_header_value_ok(m->source, TEXT_MAX) && m->to_tag[0] &&
	       sip_header_value_ok(m->to_tag, TEXT_MAX) && m->called[0] && strlen(m->called) < SIP_USER_MAX &&
	       sip_header_value_ok(m->called, SIP_USER_MAX) && (!m->trunk_id[0] || str_is_id(m->trunk_id)) &&
	       (!m->agent_id[0] || str_is_id(m->agent_id));
}

err_t edge_wire_invite_from_pb(struct edge_bytes record, edge_invite_fn *fn, void *arg)
{
	Trunkline__Edge__V1__InviteRecord *m =
	    trunkline__edge__v1__invite_record__unpack(NULL, record.size, record.data);
	err_t e = m && invite_ok(m) ? ERR_OK : ERR_INVALID;

	if (!e)
		fn(&(struct invite_record){ .request = { m->request.data, m->request.len },
					    .source = m->source,
					    .to_tag = m->to_tag,
					    .trunk_id = m->trunk_id,
					    .agent_id = m->agent_id,
					    .called = m->called },
		   arg);
	if (m)
		trunkline__edge__v1__invite_record__free_unpacked(m, NULL);
	return e;
}

/* ---- legs ---- */

void edge_wire_leg_to_pb(struct str *out, const struct leg_record *r)
{
	Trunkline__Edge__V1__LegRecord m = TRUNKLINE__EDGE__V1__LEG_RECORD__INIT;

	m.call_id = (char *)r->call_id;
	m.leg_id = (char *)r->leg_id;
	m.tenant = (char *)r->tenant;
	m.owner = (char *)r->owner;
	m.epoch = r->epoch;
	m.outbound = r->outbound;
	m.sip_call_id = (char *)r->sip_call_id;
	m.local = (char *)r->local;
	m.remote = (char *)r->remote;
	m.local_cseq = r->local_cseq;
	m.remote_cseq = r->remote_cseq;
	m.n_routes = r->n_routes;
	m.routes = (char **)r->routes;
	m.target = (char *)r->target;
	m.route = (char *)r->route;
	m.contact = (char *)r->contact;
	m.local_sdp = (ProtobufCBinaryData){ .data = (uint8_t *)r->local_sdp.data, .len = r->local_sdp.size };
	m.remote_sdp = (ProtobufCBinaryData){ .data = (uint8_t *)r->remote_sdp.data, .len = r->remote_sdp.size };
	m.session_interval_s = r->session_interval_s;
	m.we_refresh = r->we_refresh;
	m.peer_updates = r->peer_updates;
	m.refreshed_ms = r->refreshed_ms;
	m.agent_id = (char *)r->agent_id;
	m.trunk_id = (char *)r->trunk_id;
	m.reoffers = r->reoffers;
	pack_whole(out, &m.base);
}

static bool sdp_ok(ProtobufCBinaryData b)
{
	return b.len <= EDGE_SDP_MAX && (!b.len || !memchr(b.data, 0, b.len));
}

static bool leg_ok(const Trunkline__Edge__V1__LegRecord *m)
{
	bool ok = str_is_id(m->call_id) && str_is_id(m->leg_id) && str_is_id(m->tenant) &&
		  (!m->owner[0] || str_is_id(m->owner)) && m->sip_call_id[0] &&
		  sip_header_value_ok(m->sip_call_id, TEXT_MAX) && m->local[0] &&
		  sip_header_value_ok(m->local, URI_MAX) && m->remote[0] && sip_header_value_ok(m->remote, URI_MAX) &&
		  m->target[0] && sip_header_value_ok(m->target, URI_MAX) && sip_header_value_ok(m->route, URI_MAX) &&
		  sip_header_value_ok(m->contact, URI_MAX) && sdp_ok(m->local_sdp) && sdp_ok(m->remote_sdp) &&
		  m->n_routes <= EDGE_ROUTES_MAX && (!m->agent_id[0] || str_is_id(m->agent_id)) &&
		  (!m->trunk_id[0] || str_is_id(m->trunk_id));

	for (size_t i = 0; ok && i < m->n_routes; i++)
		ok = sip_header_value_ok(m->routes[i], URI_MAX);
	return ok;
}

static struct leg_record leg_plain(const Trunkline__Edge__V1__LegRecord *m)
{
	struct leg_record r = {
		.call_id = m->call_id,
		.leg_id = m->leg_id,
		.tenant = m->tenant,
		.owner = m->owner,
		.epoch = m->epoch,
		.outbound = m->outbound,
		.we_refresh = m->we_refresh,
		.peer_updates = m->peer_updates,
		.sip_call_id = m->sip_call_id,
		.local = m->local,
		.remote = m->remote,
		.target = m->target,
		.route = m->route,
		.contact = m->contact,
		.agent_id = m->agent_id,
		.trunk_id = m->trunk_id,
		.local_cseq = m->local_cseq,
		.remote_cseq = m->remote_cseq,
		.session_interval_s = m->session_interval_s,
		.reoffers = m->reoffers,
		.n_routes = m->n_routes,
		.local_sdp = { m->local_sdp.data, m->local_sdp.len },
		.remote_sdp = { m->remote_sdp.data, m->remote_sdp.len },
		.refreshed_ms = m->refreshed_ms,
	};

	for (size_t i = 0; i < m->n_routes; i++)
		r.routes[i] = m->routes[i];
	return r;
}

err_t edge_wire_leg_from_pb(const void *data, size_t size, edge_leg_fn *fn, void *arg)
{
	Trunkline__Edge__V1__LegRecord *m = trunkline__edge__v1__leg_record__unpack(NULL, size, data);
	err_t e = m && leg_ok(m) ? ERR_OK : ERR_INVALID;

	if (!e) {
		struct leg_record r = leg_plain(m);

		fn(&r, arg);
	}
	if (m)
		trunkline__edge__v1__leg_record__free_unpacked(m, NULL);
	return e;
}
