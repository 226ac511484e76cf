$(eval $(call program,tests/kpi_bench,kpi-bench,trunkline-reporting base loop bus db events stream testkit proto,,))
