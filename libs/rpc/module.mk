$(eval $(call library,rpc,base loop proto pbcheck,grpc,))
