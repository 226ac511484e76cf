/*
 * text: what people read, in their language (GT-3.1.2f). Pure; any thread.
 *
 * The key of a text is the English one as it stands in the source, format and all: err_set(d, ERR_INVALID, "id", "'%.70s' is no id", id).
 * Looked at before: gettext keeps the language of the process or, by uselocale(), of a thread, needs the system's locales and finds its
 * files at run time: wrong for a server in which each request has another language. PostgreSQL forks a process per session and so can
 * live with it; systemd's journal catalogue is a sorted table of ids and texts that is looked up by language, which is the idea taken
 * here. So: catalogues in gettext's .po form (translators have tools for it) under catalogue/, one text a line, turned by sed into
 * sorted tables of constants when the library is built; no file, lock or locale at run time. The arguments come as texts, already
 * formatted by the English format (base/err.h keeps where they stand): a translation names them in any order, %1$s, and cannot
 * misread one's type. %1$t is an argument that is a text itself and is said in the language, too. tools/check-texts holds the catalogues
 * against the source in `make lint`. What has no translation is English: nobody goes without an answer.
 *
 *	enum text_language l = text_accept(rpc_metadata(call, "accept-language"), TEXT_EN);
 *	text_detail(&out, l, &detail);
 */
#ifndef TEXT_TEXT_H
#define TEXT_TEXT_H

#include <stdbool.h>
#include <stdio.h>
#include "base/err.h"
#include "base/str.h"

enum text_language { TEXT_EN, TEXT_ZH_HANS, TEXT_ZH_HANT, TEXT_LANGUAGES };
#define TEXT_TAG_MAX 36 /* bytes of a language tag with its NUL (RFC 5646, 4.4.1) */

/* BCP 47: "en", "zh-Hans", "zh-Hant"; never NULL. */
const char *text_tag(enum text_language l);
/* The language of a BCP 47 tag in any case; a script comes before a region: zh, zh-CN, zh-SG and zh-Hans-HK are zh-Hans; zh-TW, zh-HK and
 * zh-MO zh-Hant; en-GB en. false: not well-formed (RFC 5646, 2.1), or none of ours. */
bool text_language_of(const char *tag, enum text_language *ret);
/*
 * Of an accept-language header (RFC 9110, 12.5.4) the language of ours with the highest q, the first of equals; "*" stands for otherwise.
 * NULL, "" and what has no range that could be read say nothing: otherwise. Only languages that we do not have: English.
 */
enum text_language text_accept(const char *header, enum text_language otherwise);
/* Of a POSIX locale ("zh_TW.UTF-8"). false: "C", "POSIX", or none of ours. */
bool text_locale(const char *locale, enum text_language *ret);

/* A text without arguments; text itself when it has no translation. */
const char *text_get(enum text_language l, const char *text);
/* Appends the message of d in language l. Returns the language it came out in: English when there is no translation. */
enum text_language text_detail(struct str *out, enum text_language l, const struct err_detail *d);
/* A line: fprintf of a format that is in the catalogues, and '\n'; at most 255 bytes of English, ERR_ARGS_MAX arguments. */
void text_print(FILE *f, enum text_language l, const char *fmt, ...) PRINTF(3, 4);

/* The catalogue of a language: ascending by the bytes of text; said "": as in the source. For tests. */
struct text_entry {
	const char *text, *said;
};
const struct text_entry *text_catalogue(enum text_language l, size_t *n);

#endif
