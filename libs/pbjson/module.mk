$(eval $(call library,pbjson,base proto,libprotobuf-c jansson,))

# Every message of proto/, for the round trip of all of them: MESSAGE(c_descriptor) a line, and the headers.
$(GEN)/pbjson_messages.h: $(PBSTAMP)
	@cd $(GEN) && { find trunkline google/protobuf -name '*.pb-c.h' | LC_ALL=C sort | sed 's/.*/#include "&"/'; \
	  echo '#define ALL_MESSAGES \'; \
	  find trunkline google/protobuf -name '*.pb-c.h' | LC_ALL=C sort | \
	  xargs sed -n 's/^extern const ProtobufCMessageDescriptor \(.*\)__descriptor;/	MESSAGE(\1) \\/p'; echo; } >pbjson_messages.h
# A message with every kind of field.
$(GEN)/pbjson/pbjson_sample.pb-c.c: libs/pbjson/pbjson_sample.proto
	@mkdir -p $(@D)
	@protoc-c -Ilibs/pbjson -I/usr/include --c_out=$(@D) pbjson_sample.proto
$(B)/obj/libs/pbjson/pbjson_test.o $(B)/obj/libs/pbjson/pbjson_fuzz.o: $(GEN)/pbjson_messages.h $(GEN)/pbjson/pbjson_sample.pb-c.c
