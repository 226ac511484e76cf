$(eval $(call library,rtpsec,base sdp,srtp,))
