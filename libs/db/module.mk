$(eval $(call library,db,base loop,libpq crypto,))
