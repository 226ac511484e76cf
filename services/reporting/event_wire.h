/* event_wire: an event of Kafka (trunkline.event.v1.Event) as plain struct, validated. */
#ifndef REPORTING_EVENT_WIRE_H
#define REPORTING_EVENT_WIRE_H

#include <stddef.h>
#include "base/err.h"
#include "kpi.h"

#define EVENT_MS_MAX (INT64_C(1) << 50) /* of any time or span, either way */

/* Texts lie in data; of *ret only what the kind has is written. Nothing is allocated. ERR_INVALID: not an event that can be counted; detail says why. */
err_t event_from_pb(struct kpi_event *ret, const void *data, size_t size, struct err_detail *detail) MUST;

#endif
