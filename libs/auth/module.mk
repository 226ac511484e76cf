$(eval $(call library,auth,base rights,jwt jansson sodium ssl,))
