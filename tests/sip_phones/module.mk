$(eval $(call program,tests/sip_phones,sip-phones,base,,))
