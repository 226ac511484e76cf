# libsrtp2 is what the tests hold it against; nothing else links with it.
$(eval $(call library,rtpsec,base sdp,crypto srtp,))
