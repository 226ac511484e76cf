$(eval $(call library,log,base,,))
