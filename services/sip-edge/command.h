/* command: EdgeCommands from the bus → legs. */
#ifndef SIP_EDGE_COMMAND_H
#define SIP_EDGE_COMMAND_H

#include "edge.h"

err_t command_start(struct edge *e) MUST;
void command_stop(struct edge *e);

#endif
