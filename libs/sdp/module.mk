$(eval $(call library,sdp,base,,))
