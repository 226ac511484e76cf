$(eval $(call program,tests/media_bench,media-bench,base loop bus proto rtp rtpsec sdp testkit,,))
