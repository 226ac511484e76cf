TESTDEPS_vault := confkit
$(eval $(call library,vault,base log loop bus db metrics rights tenantconf sealed proto,,))
