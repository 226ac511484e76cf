$(eval $(call program,services/router,trunkline-router,base agents,,))
