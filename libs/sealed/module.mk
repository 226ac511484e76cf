$(eval $(call library,sealed,base,crypto,))
