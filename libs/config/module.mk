$(eval $(call library,config,base,yaml,))
