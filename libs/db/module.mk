$(eval $(call library,db,base loop fair,libpq crypto,))
