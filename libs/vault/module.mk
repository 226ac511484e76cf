TESTDEPS_vault := confkit
$(eval $(call library,vault,base loop bus db metrics rights tenantconf sealed proto,,))
