$(eval $(call program,services/call-control,trunkline-call-control,base loop log config metrics service bus batch fair pbcheck events agents tenantconf sdp pace proto,,))
