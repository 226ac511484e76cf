TESTDEPS_rights := pbcheck proto
$(eval $(call library,rights,base,,))
