$(eval $(call library,auth,base,jwt jansson sodium ssl,))
