$(eval $(call library,pbcheck,base proto,,))
