$(eval $(call library,sip,base loop,sofia ssl,))
