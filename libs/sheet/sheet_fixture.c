#include "sheet_fixture.h"

#include <string.h>
#include <zip.h>
#include "testkit/testkit.h"

#define MAIN_NS "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
#define REL_NS	"http://schemas.openxmlformats.org/officeDocument/2006/relationships"
#define XML	"<?xml version=\"1.0\" encoding=\"UTF-8\"?>"

void sheet_fixture_zip(struct str *ret, const struct sheet_part *parts, size_t n)
{
	zip_source_t *to = zip_source_buffer_create(NULL, 0, 0, NULL);
	zip_t *z = to ? zip_open_from_source(to, ZIP_CREATE, NULL) : NULL;
	char piece[4096];
	zip_int64_t got;

	if (!z)
		testkit_die("zip_open_from_source");
	zip_source_keep(to);
	for (size_t i = 0; i < n; i++) {
		zip_source_t *s = zip_source_buffer(z, parts[i].data, parts[i].size, 0);

		if (!s || zip_file_add(z, parts[i].name, s, 0) < 0 || zip_set_file_compression(z, i, ZIP_CM_DEFLATE, 1))
			testkit_die("zip_file_add: %s", zip_strerror(z));
	}
	if (zip_close(z) || zip_source_open(to))
		testkit_die("zip_close");
	str_reset(ret);
	while ((got = zip_source_read(to, piece, sizeof(piece))) > 0)
		str_append_n(ret, piece, (size_t)got);
	zip_source_close(to);
	zip_source_free(to);
}

void sheet_fixture_book(struct str *ret, const char *rows, const char *strings)
{
	static const char book[] =
	    XML "<workbook xmlns=\"" MAIN_NS "\" xmlns:r=\"" REL_NS
		"\"><sheets><sheet name=\"People\" sheetId=\"7\" r:id=\"rId3\"/><sheet name=\"Other\" "
		"sheetId=\"1\" r:id=\"rId1\"/></sheets></workbook>";
	static const char rels[] =
	    XML "<Relationships xmlns=\"http://schemas.openxmlformats.org/package/2006/relationships\">"
		"<Relationship Id=\"rId1\" Type=\"" REL_NS "/worksheet\" Target=\"worksheets/other.xml\"/>"
		"<Relationship Id=\"rId2\" Type=\"" REL_NS "/sharedStrings\" Target=\"sharedStrings.xml\"/>"
		"<Relationship Id=\"rId3\" Type=\"" REL_NS
		"/worksheet\" Target=\"/xl/worksheets/sheet1.xml\"/></Relationships>";
	struct str sheet = STR_INIT, shared = STR_INIT;

	str_printf(&sheet, XML "<worksheet xmlns=\"" MAIN_NS "\"><sheetData>%s</sheetData></worksheet>", rows);
	str_printf(&shared, XML "<sst xmlns=\"" MAIN_NS "\">%s</sst>", strings ? strings : "");
	struct sheet_part parts[] = { { "xl/workbook.xml", book, sizeof(book) - 1 },
				      { "xl/_rels/workbook.xml.rels", rels, sizeof(rels) - 1 },
				      { "xl/worksheets/sheet1.xml", sheet.data, sheet.len },
				      { "xl/sharedStrings.xml", shared.data, shared.len } };
	sheet_fixture_zip(ret, parts, strings ? 4 : 3);
	str_done(&sheet);
	str_done(&shared);
}
