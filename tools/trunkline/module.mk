$(eval $(call program,tools/trunkline,trunkline,base rpc proto pbjson,jansson yaml,))
