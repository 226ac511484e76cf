$(eval $(call program,tests/bus_bench,trunkline-bus-bench,base loop bus testkit,,))
