$(eval $(call library,rightskit,base loop bus auth confkit revoked rights rpc testkit,,))
