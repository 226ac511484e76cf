$(eval $(call library,metrics,base,,))
