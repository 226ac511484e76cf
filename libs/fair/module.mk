$(eval $(call library,fair,base,,))
