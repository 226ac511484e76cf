$(eval $(call program,services/router,trunkline-router,base loop log config metrics service bus batch pbcheck events agents tenantconf proto,,))
