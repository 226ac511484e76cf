$(eval $(call program,tests/router_bench,router-bench,trunkline-router,,))
