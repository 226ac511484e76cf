$(eval $(call library,rightskit,base auth rights rpc testkit,,))
