$(eval $(call program,services/sip-edge,trunkline-sip-edge,base loop bus proto log config metrics service sip tenantconf,sofia,))
