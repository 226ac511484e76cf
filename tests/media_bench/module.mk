$(eval $(call program,tests/media_bench,media-bench,base loop bus proto rtp testkit,,))
