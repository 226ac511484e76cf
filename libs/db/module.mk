$(eval $(call library,db,base loop metrics fair,libpq crypto,))
