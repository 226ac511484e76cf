$(eval $(call library,testkit,base loop metrics,,))
