# The comments of proto/ are the help of the options: the descriptors once more, with them.
TRUNKLINE_DOCS := build/gen/trunkline-docs.binpb
$(TRUNKLINE_DOCS): $(shell find proto -name '*.proto')
	@mkdir -p $(@D)
	@protoc -Iproto -I/usr/include --include_imports --include_source_info --descriptor_set_out=$@ $^
build/release/obj/tools/trunkline/docs.o build/asan/obj/tools/trunkline/docs.o build/tsan/obj/tools/trunkline/docs.o \
build/fuzz/obj/tools/trunkline/docs.o: $(TRUNKLINE_DOCS)

$(eval $(call program,tools/trunkline,trunkline,base rights pbcheck rpc auditchain text proto pbjson,jansson yaml,))
