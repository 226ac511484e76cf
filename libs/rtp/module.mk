$(eval $(call library,rtp,base,,))
