$(eval $(call program,tests/chaos_phones,chaos-phones,base sip-phones,,))
