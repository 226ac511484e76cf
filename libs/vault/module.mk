TESTDEPS_vault := confkit
$(eval $(call library,vault,base bus metrics rights tenantconf sealed,,))
