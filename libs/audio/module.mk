$(eval $(call library,audio,base,,))
