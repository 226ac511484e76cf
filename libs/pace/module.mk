$(eval $(call library,pace,base bus pbcheck proto,,))
