TESTDEPS_tenantconf := confkit
$(eval $(call library,tenantconf,base bus metrics proto pbcheck rights text,,))
