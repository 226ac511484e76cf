$(eval $(call library,recording,base audio,,))
