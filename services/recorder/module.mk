TESTDEPS_services/recorder := rightskit confkit
$(eval $(call program,services/recorder,trunkline-recorder,base loop log config metrics service bus fair rpc auth db events pbcheck proto revoked apirate vault recording audio,lame,))

# The migrations are part of the program (.incbin in migrations.c).
$(B)/obj/services/recorder/migrations.o: $(wildcard services/recorder/migrations/*.sql)
