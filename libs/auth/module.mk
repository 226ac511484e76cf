$(eval $(call library,auth,base,jwt sodium ssl,))
