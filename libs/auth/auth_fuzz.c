/* Tokens from outside. Whatever they are, none may be accepted: the key was thrown away. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "auth/auth.h"
#include "base/mem.h"

static const char key[] = "-----BEGIN PUBLIC KEY-----\n"
			  "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEaxfR8uEsQkf4vOblY6RA8ncDfYEt\n"
			  "6zOg9KE5RdiYwpZP40Li/hp/m47n60p8D54WK84zV2sxXs7LtkBoN79R9Q==\n"
			  "-----END PUBLIC KEY-----\n";

static struct auth_verifier *verifier(void)
{
	char file[] = "/tmp/auth_fuzz_XXXXXX";
	struct auth_verifier *v = NULL;
	int fd = mkstemp(file);

	if (fd < 0 || write(fd, key, sizeof(key) - 1) < 0 || auth_verifier_new(&v, file, NULL))
		abort();
	close(fd);
	unlink(file);
	return v;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct auth_verifier *v;
	struct err_detail detail;
	struct auth_user u;
	char *text = mem_alloc(size + 8);

	if (!v)
		v = verifier();
	memcpy(text, "Bearer ", 7);
	memcpy(text + 7, data, size);
	text[size + 7] = '\0';
	if (auth_verify(v, text, 1800000000, &u, &detail) == ERR_OK ||
	    auth_verify(v, text + 7, 1800000000, &u, &detail) == ERR_OK)
		abort();
	mem_free(text);
	return 0;
}
