$(eval $(call library,tenantconf,base bus proto pbcheck,,))
