$(eval $(call library,confkit,base loop bus proto pbjson tenantconf sealed testkit,crypto,))
