$(eval $(call program,tests/kpi_bench,kpi-bench,trunkline-reporting testkit,,))
