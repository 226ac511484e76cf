$(eval $(call program,services/event-bridge,trunkline-event-bridge,base loop log config metrics service bus stream events pbjson pbcheck proto,,))
