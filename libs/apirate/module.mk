TESTDEPS_apirate := confkit
$(eval $(call library,apirate,base loop metrics bus pace rpc auth tenantconf events proto,,))
