$(eval $(call program,tests/mp3_bench,mp3-bench,trunkline-recorder base loop recording audio sealed testkit,,))
