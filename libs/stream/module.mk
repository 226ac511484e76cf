$(eval $(call library,stream,base loop,rdkafka,))
