TESTDEPS_services/reporting := rightskit confkit
$(eval $(call program,services/reporting,trunkline-reporting,base loop log config metrics service bus rpc auth db stream pbcheck revoked apirate events vault proto,,))

# The migrations are part of the program (.incbin in migrations.c).
$(B)/obj/services/reporting/migrations.o: $(wildcard services/reporting/migrations/*.sql)
