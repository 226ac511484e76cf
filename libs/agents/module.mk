$(eval $(call library,agents,base loop bus proto pbcheck events,,))
