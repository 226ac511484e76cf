#include "filestamp.h"

#include <sys/stat.h>

int64_t filestamp(const char *const *paths, size_t n)
{
	uint64_t sum = 0;
	struct stat st;

	for (size_t i = 0; i < n; i++) {
		sum *= 31;
		if (paths[i] && paths[i][0] && !stat(paths[i], &st))
			sum += (uint64_t)st.st_mtim.tv_sec * 1000000000 + (uint64_t)st.st_mtim.tv_nsec + st.st_ino;
	}
	return (int64_t)sum;
}
