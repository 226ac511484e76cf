$(eval $(call library,service,base loop log config metrics bus,microhttpd,))
