$(eval $(call library,promptstore,base loop bus,crypto,))
