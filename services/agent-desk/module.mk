TESTDEPS_services/agent-desk := rightskit
$(eval $(call program,services/agent-desk,trunkline-agent-desk,base loop log config metrics service bus rpc auth pbcheck events agents tenantconf revoked apirate proto,,))
