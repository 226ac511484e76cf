$(eval $(call program,services/tenant-manager,trunkline-tenant-manager,base loop log config metrics service bus rpc auth rights db events promptstore tenantconf revoked apirate sealed auditchain text proto pbcheck pbjson sheet,sndfile soxr crypto,))

# The migrations are part of the program (.incbin in migrations.c).
$(B)/obj/services/tenant-manager/migrations.o: $(wildcard services/tenant-manager/migrations/*.sql)
