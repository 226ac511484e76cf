$(eval $(call library,auditchain,base,crypto,))
