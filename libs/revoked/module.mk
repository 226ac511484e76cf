$(eval $(call library,revoked,base bus auth tenantconf pbcheck proto,,))
