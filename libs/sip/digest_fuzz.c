/* Lines as parameters of a credential, then of a user part: what phones and strangers write. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include "sip/digest.h"
#include "sip/sip_user.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char text[2048], user[SIP_USER_MAX], name[SIP_NAME_MAX], escaped[3 * SIP_USER_MAX];
	const char *params[33] = { NULL };
	struct digest_params p;
	size_t n = 0;

	if (size >= sizeof(text))
		return 0;
	memcpy(text, data, size);
	text[size] = '\0';
	if (sip_user_normalise(user, text) && !sip_user_escape(escaped, sizeof(escaped), user))
		__builtin_trap(); /* what passed always fits escaped */
	sip_name_plain(name, text);
	for (char *s = strtok(text, "\n"); s && n < 32; s = strtok(NULL, "\n"))
		params[n++] = s;
	if (!digest_parse(&p, params))
		(void)digest_verify(&p, "00", "INVITE");
	return 0;
}
