/* filestamp: have these files been written since? For what is read again when it was renewed, such as certificates. */
#ifndef BASE_FILESTAMP_H
#define BASE_FILESTAMP_H

#include <stddef.h>
#include <stdint.h>

/* Another number when one of them was written or replaced; NULL, "" and what cannot be looked at count as nothing. */
int64_t filestamp(const char *const *paths, size_t n);

#endif
