$(eval $(call library,sheet,base,zip expat))
