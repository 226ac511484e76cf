$(eval $(call library,events,base bus proto,,))
