$(eval $(call library,pbjson,base proto,libprotobuf-c jansson,))

# Every message of proto/, for the round trip of all of them: MESSAGE(c_descriptor) a line, and the headers.
$(GEN)/pbjson_messages.h: $(PBSTAMP)
	@cd $(GEN) && { find trunkline google/protobuf -name '*.pb-c.h' | LC_ALL=C sort | sed 's/.*/#include "&"/'; \
	  echo '#define ALL_MESSAGES \'; \
	  find trunkline google/protobuf -name '*.pb-c.h' | LC_ALL=C sort | \
	  xargs sed -n 's/^extern const ProtobufCMessageDescriptor \(.*\)__descriptor;/	MESSAGE(\1) \\/p'; echo; } >pbjson_messages.h
$(B)/obj/libs/pbjson/pbjson_test.o: $(GEN)/pbjson_messages.h
