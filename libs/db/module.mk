$(eval $(call library,db,base loop metrics,libpq crypto,))
