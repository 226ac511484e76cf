/* The only place that knows the generated code: everything else goes by descriptors. */
#include "catalog.h"

#include "trunkline/admin/v1/admin.pb-c.h"
#include "trunkline/admin/v1/auth.pb-c.h"
#include "trunkline/desk/v1/agent_service.pb-c.h"
#include "trunkline/recording/v1/recording.pb-c.h"
#include "trunkline/report/v1/report.pb-c.h"

const ProtobufCServiceDescriptor *service_admin(void)
{
	return &trunkline__admin__v1__admin_service__descriptor;
}

const ProtobufCServiceDescriptor *service_auth(void)
{
	return &trunkline__admin__v1__auth_service__descriptor;
}

const ProtobufCServiceDescriptor *service_desk(void)
{
	return &trunkline__desk__v1__agent_service__descriptor;
}

const ProtobufCServiceDescriptor *service_recordings(void)
{
	return &trunkline__recording__v1__recording_service__descriptor;
}

const ProtobufCServiceDescriptor *service_reports(void)
{
	return &trunkline__report__v1__report_service__descriptor;
}
