TESTDEPS_tenantconf := confkit
$(eval $(call library,tenantconf,base bus proto pbcheck rights text,,))
