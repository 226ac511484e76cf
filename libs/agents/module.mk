$(eval $(call library,agents,base,,))
