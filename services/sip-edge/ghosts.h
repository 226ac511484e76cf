/*
 * ghosts: legs of calls that exist no more. Every live leg hears of its call-control now and then (LegAttach, each 20 s). A leg
 * about which nobody has said anything for longer (sip.orphan_ms) is looked up: the truth about a call is its entry in KV `calls`. If there is
 * none, the leg is hung up. A call that is there, but without an owner, is the call-controls' affair: they adopt it. GT-15.
 */
#ifndef SIP_EDGE_GHOSTS_H
#define SIP_EDGE_GHOSTS_H

#include "edge.h"

/* Once a second. */
void ghosts_look(struct edge *e, int64_t now_ms);

#endif
