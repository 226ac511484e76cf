$(eval $(call library,bus,base loop log,jansson ssl,))
