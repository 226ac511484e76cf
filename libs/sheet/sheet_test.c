/* Tables from outside: what they say, and what of them is refused, in words. */
#include "sheet/sheet.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <cmocka.h>
#include "base/mem.h"
#include "sheet_fixture.h"

/* All rows as one text: "1:a|b\n2:c\n". */
static err_t gather(const struct sheet_row *row, void *arg)
{
	struct str *out = arg;

	str_printf(out, "%u:", row->number);
	for (size_t i = 0; i < row->n; i++)
		str_printf(out, "%s%s", i ? "|" : "", row->cells[i]);
	str_append_c(out, '\n');
	return ERR_OK;
}

static void check_table(const void *bytes, size_t size, const char *charset, const char *want)
{
	struct str got = STR_INIT;
	struct err_detail d = { 0 };
	err_t e = sheet_read(bytes, size, &(struct sheet_params){ .charset = charset }, gather, &got, &d);

	if (e)
		fail_msg("%s: %s: %s", err_name(e), d.field, d.message);
	assert_string_equal(str_text(&got), want);
	str_done(&got);
}

static void check_refused(const void *bytes, size_t size, const char *charset, err_t code, const char *text)
{
	struct str got = STR_INIT;
	struct err_detail d = { 0 };
	err_t e = sheet_read(bytes, size, &(struct sheet_params){ .charset = charset }, gather, &got, &d);

	if (e != code || !strstr(d.message, text))
		fail_msg("%s '%s' instead of %s '%s'", err_name(e), d.message, err_name(code), text);
	str_done(&got);
}

static void a_csv_file_is_read_as_rfc_4180_and_spreadsheets_write_it_GT_3_1_2(void **state)
{
	static const struct {
		const char *text, *rows;
	} table[] = {
		{ "", "" },
		{ "a,b\r\nc,d\r\n", "1:a|b\n2:c|d\n" },
		{ "a,b\nc,d", "1:a|b\n2:c|d\n" },
		{ "a\rb\r", "1:a\n2:b\n" },
		{ "a;b,c\n1;2", "1:a|b,c\n2:1|2\n" },
		{ "\"x,y\";b\n", "1:x,y|b\n" },
		{ "a\tb\n", "1:a|b\n" },
		{ "\"a \"\"quoted\"\"\",\"two\nlines\"\nx\n", "1:a \"quoted\"|two\nlines\n2:x\n" },
		{ "\xef\xbb\xbfid,n\n1,\xe6\x9d\x8e\n", "1:id|n\n2:1|\xe6\x9d\x8e\n" },
		{ "a\n\n,,\nb,,c,,\n", "1:a\n4:b||c\n" },
		{ "\"\"\n", "" },
		{ "a\"b,c\n", "1:a\"b|c\n" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(table); i++)
		check_table(table[i].text, strlen(table[i].text), NULL, table[i].rows);
}

static void a_csv_file_in_gb18030_is_read_when_that_is_said_GT_3_1_2(void **state)
{
	static const char text[] = "id,name\n1001,\xc0\xee\xc3\xb7\n"; /* 李梅 */

	(void)state;
	check_table(text, sizeof(text) - 1, "gb18030", "1:id|name\n2:1001|\xe6\x9d\x8e\xe6\xa2\x85\n");
	check_refused(text, sizeof(text) - 1, NULL, ERR_INVALID, "row 2, column 2 is not UTF-8");
	check_refused("a,\xff\xff\n", 5, "GB18030", ERR_INVALID, "byte 3 of the file is not GB18030");
	check_refused("a\n", 2, "latin1", ERR_INVALID, "'latin1' is not UTF-8 or GB18030");
}

static void what_is_wrong_with_a_csv_file_is_said_with_its_row(void **state)
{
	struct str s = STR_INIT;

	(void)state;
	check_refused("a\n\"b", 4, NULL, ERR_INVALID, "row 2: a quote is not closed");
	check_refused("a\nx,\"b\"c\n", 9, NULL, ERR_INVALID, "row 2, column 2: text after the closing quote");
	check_refused("a\nb\0c\n", 6, NULL, ERR_INVALID, "row 2, column 1");
	for (int i = 0; i < SHEET_COLUMNS_MAX; i++)
		str_append(&s, "x,");
	str_append(&s, "x\n");
	check_refused(s.data, s.len, NULL, ERR_EXHAUSTED, "row 1 has more than 64 columns");
	str_reset(&s);
	for (int i = 0; i <= SHEET_CELL_MAX; i++)
		str_append_c(&s, 'x');
	check_refused(s.data, s.len, NULL, ERR_EXHAUSTED, "row 1, column 1 has more than 4096 bytes");
	str_reset(&s);
	for (int i = 0; i <= SHEET_ROWS_MAX; i++)
		str_append(&s, "x\n");
	struct err_detail d = { 0 };
	struct str got = STR_INIT;
	assert_int_equal(sheet_read(s.data, s.len, &(struct sheet_params){ 0 }, gather, &got, &d), ERR_EXHAUSTED);
	str_done(&got);
	str_done(&s);
}

#define BOOK_ROWS                                                                                                    \
	"<row r=\"1\"><c r=\"A1\" t=\"s\"><v>0</v></c><c r=\"B1\" t=\"s\"><v>1</v></c></row>"                        \
	"<row r=\"3\"><c r=\"B3\" t=\"inlineStr\"><is><r><t>in</t></r><r><t> line</t></r></is></c>"                  \
	"<c r=\"D3\"><v>862012345678</v></c><c r=\"E3\"><v>8.62012345678E11</v></c><c r=\"F3\"><v>1.5</v></c></row>" \
	"<row><c t=\"b\"><v>1</v></c><c t=\"b\"><v>0</v></c><c t=\"str\"><f>A1&amp;\"x\"</f><v>formula</v></c>"      \
	"<c t=\"e\"><v>#REF!</v></c></row>"
#define BOOK_STRINGS \
	"<si><t>id</t></si><si><r><t>na</t></r><r><t>me</t></r><rPh sb=\"0\" eb=\"1\"><t>reading</t></rPh></si>"

static void a_workbooks_first_sheet_is_read_whatever_kinds_of_cells_it_has_GT_3_1_2(void **state)
{
	struct str book = STR_INIT;

	(void)state;
	sheet_fixture_book(&book, BOOK_ROWS, BOOK_STRINGS);
	assert_true(sheet_is_xlsx(book.data, book.len));
	check_table(book.data, book.len, NULL,
		    "1:id|name\n3:|in line||862012345678|862012345678|1.5\n4:true|false|formula|#REF!\n");
	sheet_fixture_book(&book, "<row r=\"1\"><c><v>7</v></c></row>", NULL);
	check_table(book.data, book.len, NULL, "1:7\n");
	str_done(&book);
}

static void what_is_wrong_with_a_workbook_is_said(void **state)
{
	static const struct {
		const char *rows, *strings;
		err_t code;
		const char *text;
	} table[] = {
		{ "<row r=\"2\"/><row r=\"1\"/>", NULL, ERR_INVALID, "rows that do not follow each other" },
		{ "<row r=\"1\"><c><v>1</v></c><row><c><v>2</v></c></row></row>", NULL, ERR_INVALID,
		  "rows that do not follow each other" },
		{ "<row r=\"1\"><c t=\"s\"><v>1</v></c></row>", "<si><t>a</t></si>", ERR_INVALID,
		  "shared string that is not there" },
		{ "<row r=\"1\"><c t=\"s\"><v>-1</v></c></row>", "<si><t>a</t></si>", ERR_INVALID,
		  "shared string that is not there" },
		{ "<row r=\"1\"><c r=\"BZ1\"><v>1</v></c></row>", NULL, ERR_EXHAUSTED,
		  "row 1 has more than 64 columns" },
		{ "<row r=\"1\"><c r=\"B1\"><v>1</v></c><c r=\"B1\"><v>1</v></c></row>", NULL, ERR_INVALID,
		  "row 1 has column 2 twice" },
		{ "<row r=\"1\"><c></row>", NULL, ERR_INVALID, "line 1: mismatched tag" },
		{ "", "</sst><!-- ", ERR_INVALID, "xl/sharedStrings.xml" },
	};
	struct str book = STR_INIT;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		sheet_fixture_book(&book, table[i].rows, table[i].strings);
		check_refused(book.data, book.len, NULL, table[i].code, table[i].text);
	}
	for (size_t n = 4; n < book.len; n += 7) { /* cut off anywhere */
		struct str got = STR_INIT;

		assert_int_not_equal(sheet_read(book.data, n, &(struct sheet_params){ 0 }, gather, &got, NULL), ERR_OK);
		str_done(&got);
	}
	struct sheet_part other = { "a.txt", "x", 1 };
	sheet_fixture_zip(&book, &other, 1);
	check_refused(book.data, book.len, NULL, ERR_INVALID, "it has no sheet");
	str_done(&book);
}

static void a_document_type_with_its_entities_is_refused(void **state)
{
	static const char bomb[] = "<!DOCTYPE x [<!ENTITY a \"aaaaaaaaaa\"><!ENTITY b \"&a;&a;&a;&a;&a;&a;&a;&a;\">"
				   "<!ENTITY e SYSTEM \"file:///etc/passwd\">]><workbook>&b;&e;</workbook>";
	struct sheet_part part = { "xl/workbook.xml", bomb, sizeof(bomb) - 1 };
	struct str book = STR_INIT;

	(void)state;
	sheet_fixture_zip(&book, &part, 1);
	check_refused(book.data, book.len, NULL, ERR_INVALID, "has a document type");
	str_done(&book);
}

/* ---- what would grow ---- */

static long peak_kb(void)
{
	struct rusage u;

	getrusage(RUSAGE_SELF, &u);
	return u.ru_maxrss;
}

/* before, then n times piece. */
static void repeat(struct str *s, const char *before, const char *piece, size_t n)
{
	str_reset(s);
	str_append(s, before);
	for (size_t i = 0; i < n; i++)
		str_append(s, piece);
}

static void a_bomb_ends_before_it_costs_memory(void **state)
{
	static const struct {
		const char *before, *piece;
		size_t n;
		const char *text;
	} table[] = {
		{ "<workbook>", "<a>", 4000000, "nested too deeply" },
		{ "<workbook a=\"", "aaaaaaaaaaaaaaaa", 4000000, "too much memory" },
		{ "<workbook>", "                ", 18000000, "larger than 256 MiB" },
	};
	struct str text = STR_INIT, book = STR_INIT;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		repeat(&text, table[i].before, table[i].piece, table[i].n);
		struct sheet_part part = { "xl/workbook.xml", text.data, text.len };
		sheet_fixture_zip(&book, &part, 1);
		assert_true(book.len < SHEET_XLSX_BYTES_MAX);
		long before = peak_kb();
		check_refused(book.data, book.len, NULL, ERR_EXHAUSTED, table[i].text);
		assert_true(peak_kb() - before < 300000); /* the sanitizers keep what was freed for a while */
	}
	str_reset(&text);
	str_append(&text, "<workbook>");
	for (int i = 0; i < 1000000; i++)
		str_printf(&text, "<n%d/>", i); /* expat keeps each name */
	struct sheet_part part = { "xl/workbook.xml", text.data, text.len };
	sheet_fixture_zip(&book, &part, 1);
	check_refused(book.data, book.len, NULL, ERR_EXHAUSTED, "too much memory");
	str_done(&text);
	str_done(&book);
}

static void shared_strings_are_bounded_in_number_and_size(void **state)
{
	struct str text = STR_INIT, book = STR_INIT;

	(void)state;
	repeat(&text, "", "<si/>", 1000001);
	sheet_fixture_book(&book, "", text.data);
	check_refused(book.data, book.len, NULL, ERR_EXHAUSTED, "too many strings");
	repeat(&text, "<si><t>", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", 2100000);
	sheet_fixture_book(&book, "", text.data);
	check_refused(book.data, book.len, NULL, ERR_EXHAUSTED, "too much text");
	str_done(&text);
	str_done(&book);
}

static void one_column_again_and_again_costs_no_memory(void **state)
{
	struct str strings = STR_INIT, rows = STR_INIT, book = STR_INIT;

	(void)state;
	repeat(&strings, "<si><t>", "a", SHEET_CELL_MAX);
	str_append(&strings, "</t></si>");
	repeat(&rows, "<row>", "<c r=\"A1\" t=\"s\"><v>0</v></c>", 100000);
	str_append(&rows, "</row>");
	sheet_fixture_book(&book, rows.data, strings.data);
	long before = peak_kb();
	check_refused(book.data, book.len, NULL, ERR_INVALID, "row 1 has column 1 twice");
	assert_true(peak_kb() - before < 100000); /* it would be 400 MB */
	str_done(&strings);
	str_done(&rows);
	str_done(&book);
}

static void a_zip64_is_refused_whatever_its_ends_say(void **state)
{
	static const char locator[20] = "PK\x06\x07";
	struct str book = STR_INIT, zip64 = STR_INIT;

	(void)state;
	sheet_fixture_book(&book, "<row><c><v>1</v></c></row>", NULL);
	assert_true(book.len > 22);
	str_append_n(&zip64, book.data, book.len - 22);
	str_append_n(&zip64, locator, sizeof(locator));
	str_append_n(&zip64, book.data + book.len - 22, 22);
	check_refused(zip64.data, zip64.len, NULL, ERR_INVALID, "it is a zip64, as for files above 4 GiB");
	str_done(&zip64);
	str_done(&book);
}

static void a_zip_that_says_it_has_many_files_is_refused_before_it_is_opened(void **state)
{
	struct str book = STR_INIT;

	(void)state;
	sheet_fixture_book(&book, "", NULL);
	assert_true(book.len > 22);
	book.data[book.len - 22 + 10] = (char)0xff;
	book.data[book.len - 22 + 11] = (char)0xff;
	check_refused(book.data, book.len, NULL, ERR_EXHAUSTED, "more than 1000 files");
	str_done(&book);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_csv_file_is_read_as_rfc_4180_and_spreadsheets_write_it_GT_3_1_2),
		cmocka_unit_test(a_csv_file_in_gb18030_is_read_when_that_is_said_GT_3_1_2),
		cmocka_unit_test(what_is_wrong_with_a_csv_file_is_said_with_its_row),
		cmocka_unit_test(a_workbooks_first_sheet_is_read_whatever_kinds_of_cells_it_has_GT_3_1_2),
		cmocka_unit_test(what_is_wrong_with_a_workbook_is_said),
		cmocka_unit_test(a_document_type_with_its_entities_is_refused),
		cmocka_unit_test(a_bomb_ends_before_it_costs_memory),
		cmocka_unit_test(shared_strings_are_bounded_in_number_and_size),
		cmocka_unit_test(one_column_again_and_again_costs_no_memory),
		cmocka_unit_test(a_zip64_is_refused_whatever_its_ends_say),
		cmocka_unit_test(a_zip_that_says_it_has_many_files_is_refused_before_it_is_opened),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
