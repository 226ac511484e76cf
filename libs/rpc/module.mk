$(eval $(call library,rpc,base loop proto pbcheck text,grpc,))
