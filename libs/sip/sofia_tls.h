/*
 * sofia_tls: Sofia-SIP 1.12.11 never frees the SSL object of a TLS connection: its tls_free() frees the BIO below it and
 * takes the context's reference back, 23 KB a connection stay behind, and anybody who connects can make the process grow.
 *
 * Sofia calls tls_free() through the dynamic linker, so a program that defines it itself is called instead:
 *
 *	void tls_free(void *tls) { sofia_tls_free(tls); }        // in main.c: an archive's symbols are not exported
 *
 * The layout of struct tls_s is known for this one version; with any other the library's own function is called.
 */
#ifndef SIP_SOFIA_TLS_H
#define SIP_SOFIA_TLS_H

void sofia_tls_free(void *tls);

#endif
