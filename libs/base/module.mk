$(eval $(call library,base,,,))
