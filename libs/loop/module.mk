$(eval $(call library,loop,base,,))
