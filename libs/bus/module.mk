$(eval $(call library,bus,base loop,jansson ssl,))
