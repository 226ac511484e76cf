/* The workbook as a zip: which of its parts is the first sheet, and through them by libzip, piece by piece. */
#include "sheet_internal.h"

#include <stdio.h>
#include <string.h>
#include <zip.h>

#define PART_BYTES_MAX ((uint64_t)256 << 20)
#define ENTRIES_MAX    1000
#define NAME	       256
#define END_SIZE       22 /* of the record at the end of the zip's directory, which a comment may follow */
#define COMMENT_MAX    65535
#define LOCATOR_SIZE   20 /* of what stands before that record and leads to the one of a zip64, which counts instead */

struct book {
	zip_t *zip;
	struct err_detail *detail;
	char sheet_id[NAME], sheet[NAME], strings[NAME];
};

static err_t not_a_workbook(struct err_detail *d, const char *why)
{
	return err_set(d, ERR_INVALID, "file", "no XLSX workbook: %s", why);
}

/* ---- the zip ---- */

static unsigned u16(const unsigned char *p)
{
	return p[0] | (unsigned)p[1] << 8;
}

/* Whichever of several ends libzip may take to be the one: it reads the whole directory at once, and so few files are in a workbook. */
static err_t check_ends(const unsigned char *bytes, size_t size, struct err_detail *detail)
{
	size_t from = size > END_SIZE + COMMENT_MAX ? size - END_SIZE - COMMENT_MAX : 0;

	for (size_t i = from; i + END_SIZE <= size; i++) {
		if (memcmp(bytes + i, "PK\x05\x06", 4) != 0)
			continue;
		if (i >= LOCATOR_SIZE && memcmp(bytes + i - LOCATOR_SIZE, "PK\x06\x07", 4) == 0)
			return not_a_workbook(detail,
					      "it is a zip64, as for files above 4 GiB; save it as a plain one");
		if (u16(bytes + i + 8) > ENTRIES_MAX || u16(bytes + i + 10) > ENTRIES_MAX)
			return err_set(detail, ERR_EXHAUSTED, "file", "more than %d files in the workbook",
				       ENTRIES_MAX);
	}
	return ERR_OK;
}

static err_t open_zip(struct book *b, const void *bytes, size_t size)
{
	err_t e = check_ends(bytes, size, b->detail);

	if (e)
		return e;
	zip_source_t *source = zip_source_buffer_create(bytes, size, 0, NULL);
	if (!source)
		return ERR_EXHAUSTED;
	b->zip = zip_open_from_source(source, ZIP_RDONLY, NULL);
	if (b->zip)
		return ERR_OK;
	zip_source_free(source);
	return not_a_workbook(b->detail, "it is no zip file, or a damaged one");
}

static err_t feed_all(struct sheet_xml *x, zip_file_t *f)
{
	char piece[65536];
	uint64_t total = 0;
	zip_int64_t n;

	do {
		n = zip_fread(f, piece, sizeof(piece));
		if (n < 0)
			return err_set(x->detail, ERR_INVALID, "file", "%s is damaged", x->part);
		total += (uint64_t)n;
		if (total > PART_BYTES_MAX)
			return err_set(x->detail, ERR_EXHAUSTED, "file", "%s is larger than 256 MiB", x->part);
		err_t e = sheet_xml_feed(x, piece, (size_t)n, n == 0);
		if (e)
			return e;
	} while (n > 0);
	return ERR_OK;
}

/* x has its functions. ERR_NOT_FOUND: there is no such part. */
static err_t read_part(struct book *b, struct sheet_xml *x, const char *part)
{
	zip_stat_t st;

	x->part = part;
	x->detail = b->detail;
	if (zip_stat(b->zip, part, 0, &st))
		return ERR_NOT_FOUND;
	/* The other methods' memory is the file's to choose. */
	if (!(st.valid & ZIP_STAT_COMP_METHOD) || (st.comp_method != ZIP_CM_STORE && st.comp_method != ZIP_CM_DEFLATE))
		return not_a_workbook(b->detail, "it is packed in an unusual way");
	zip_file_t *f = zip_fopen(b->zip, part, 0);
	if (!f)
		return not_a_workbook(b->detail, "it is encrypted or damaged");
	err_t e = sheet_xml_open(x);
	if (!e)
		e = feed_all(x, f);
	sheet_xml_close(x);
	(void)zip_fclose(f);
	return e;
}

/* ---- which parts ---- */

static void workbook_start(struct sheet_xml *x, const char *name, const char **atts)
{
	struct book *b = x->arg;

	if (strcmp(name, "sheet") != 0 || b->sheet_id[0])
		return;
	/* r:id, not sheetId */
	const char *id = sheet_xml_attribute(atts, "id");
	if (id)
		(void)str_copy(b->sheet_id, sizeof(b->sheet_id), id);
}

/* Relative to xl/, or from the root. A part that is elsewhere is as good as none. */
static void take_target(char to[NAME], const char *target, const char *mode)
{
	to[0] = '\0';
	if ((mode && strcmp(mode, "External") == 0) || strstr(target, "..") || strlen(target) > NAME - 8)
		return;
	if (target[0] == '/')
		(void)str_copy(to, NAME, target + 1);
	else
		snprintf(to, NAME, "xl/%s", target);
}

static void relation_start(struct sheet_xml *x, const char *name, const char **atts)
{
	static const char strings[] = "/sharedStrings";
	const char *id = sheet_xml_attribute(atts, "Id"), *type = sheet_xml_attribute(atts, "Type"),
		   *target = sheet_xml_attribute(atts, "Target"), *mode = sheet_xml_attribute(atts, "TargetMode");
	struct book *b = x->arg;

	if (strcmp(name, "Relationship") != 0 || !id || !type || !target)
		return;
	size_t n = strlen(type);
	if (strcmp(id, b->sheet_id) == 0)
		take_target(b->sheet, target, mode);
	else if (n >= sizeof(strings) - 1 && strcmp(type + n - (sizeof(strings) - 1), strings) == 0)
		take_target(b->strings, target, mode);
}

static err_t find_parts(struct book *b)
{
	struct sheet_xml workbook = { .on_start = workbook_start, .arg = b };
	struct sheet_xml relations = { .on_start = relation_start, .arg = b };
	err_t e = read_part(b, &workbook, "xl/workbook.xml");

	if (!e && !b->sheet_id[0])
		e = ERR_NOT_FOUND;
	if (!e)
		e = read_part(b, &relations, "xl/_rels/workbook.xml.rels");
	if (!e && !b->sheet[0])
		e = ERR_NOT_FOUND;
	return e == ERR_NOT_FOUND ? not_a_workbook(b->detail, "it has no sheet") : e;
}

static err_t read_sheet(struct book *b, struct sheet_out *o)
{
	struct sheet_reader r = { .out = o };
	struct sheet_xml strings = { 0 }, rows = { 0 };
	err_t e = ERR_OK;

	if (b->strings[0]) {
		sheet_strings_xml(&strings, &r);
		e = read_part(b, &strings, b->strings);
	}
	if (!e || e == ERR_NOT_FOUND) {
		sheet_rows_xml(&rows, &r);
		e = read_part(b, &rows, b->sheet);
		e = e == ERR_NOT_FOUND ? not_a_workbook(b->detail, "its sheet is missing") : e;
	}
	sheet_reader_done(&r);
	return e;
}

err_t sheet_xlsx(struct sheet_out *o, const void *bytes, size_t size)
{
	struct book b = { .detail = o->detail };

	if (size > SHEET_XLSX_BYTES_MAX)
		return err_set(o->detail, ERR_EXHAUSTED, "file", "larger than %zu bytes", SHEET_XLSX_BYTES_MAX);
	err_t e = open_zip(&b, bytes, size);
	if (!e)
		e = find_parts(&b);
	if (!e)
		e = read_sheet(&b, o);
	if (b.zip)
		zip_discard(b.zip);
	return e;
}
