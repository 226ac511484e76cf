$(eval $(call library,rpc,base loop metrics proto pbcheck text,grpc,))
