$(eval $(call library,rightskit,base loop bus auth revoked rights rpc testkit,,))
