$(eval $(call program,services/media,trunkline-media,base loop log config metrics service bus promptstore pbcheck proto sdp rtp rtpsec audio recording,,))
