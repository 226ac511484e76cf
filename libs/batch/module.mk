$(eval $(call library,batch,base bus,,))
