#include "page.h"

#include "pbr.h"

err_t page_begin(struct page *pg, struct job *j, const struct page_source *source)
{
	*pg = (struct page){ .job = j, .source = *source, .last = j->rq.page_token };
	job_restart(j);
	return filter_parse(&pg->filter, j->rq.filter, source->of, &j->detail);
}

static bool is_full(const struct page *pg)
{
	return pg->n == (size_t)pg->job->rq.page_size || pg->looked_at >= FILTER_LOOKED_AT;
}

static err_t take_row(struct page *pg, struct db_result *res, int row)
{
	ProtobufCMessage *m = NULL;
	err_t e = pg->source.take(pg->job, res, row, &m);

	if (e)
		return e;
	pg->looked_at++;
	pg->last = arena_strdup(&pg->job->arena, db_text(res, row, 0));
	if (m && filter_match(&pg->filter, m))
		pg->list[pg->n++] = m;
	return pg->last ? ERR_OK : ERR_EXHAUSTED;
}

/* One row more than the lot tells that there are others behind. */
static err_t read_lot(struct db_tx *tx, struct page *pg)
{
	int lot = pg->filter.n ? FILTER_LOT : pg->job->rq.page_size, i = 0;
	struct db_result *res = NULL;
	char limit[DB_NUMBER];
	err_t e = pg->source.read(tx, pg->job, pg->last, db_number(lot + 1, limit), &res);

	for (; !e && i < db_rows(res) && i < lot && !is_full(pg); i++)
		e = take_row(pg, res, i);
	pg->more = !e && i < db_rows(res);
	db_result_free(&res);
	return e;
}

err_t page_read(struct db_tx *tx, struct page *pg)
{
	struct job *j = pg->job;
	ProtobufCMessage *reply = pg->source.response ? pbr_new(&j->arena, pg->source.response) : NULL;
	err_t e;

	pg->list = arena_alloc(&j->arena, ((size_t)j->rq.page_size + 1) * sizeof(ProtobufCMessage *));
	if (!reply || !pg->list)
		return ERR_EXHAUSTED;
	do
		e = read_lot(tx, pg);
	while (!e && pg->more && !is_full(pg));
	if (e)
		return e;
	pbr_set_messages(reply, pg->source.list, pg->list, pg->n);
	if (pg->more)
		pbr_set_string(reply, "next_page_token", pg->last);
	j->reply = reply;
	return ERR_OK;
}
