$(eval $(call library,text,base,,))

# The catalogues as rows of C: each msgid and msgstr is one line, and quotes as C does.
TEXTS := $(patsubst libs/text/catalogue/%.po,$(GEN)/text/%.inc,$(wildcard libs/text/catalogue/*.po))
$(GEN)/text/%.inc: libs/text/catalogue/%.po
	@mkdir -p $(@D)
	@sed -n -e 's/^msgid \(".*"\)$$/{ \1,/p' -e 's/^msgstr \(".*"\)$$/\1 },/p' $< >$@
$(B)/obj/libs/text/catalogue.o: $(TEXTS)
