# Results of runs: collected, compared, shown as tables.
libtessera_la_SOURCES += core/report/collect.c core/report/collect.h core/report/collect_log.c core/report/collect_private.h \
    core/report/collect_protocol.c core/report/collect_run.c core/report/collect_stage.c core/report/collect_sweep.c \
    core/report/differences.c core/report/differences.h core/report/report_memory.c core/report/statistics.c core/report/statistics.h \
    core/report/table.c core/report/table.h core/report/table_columns.c core/report/table_data.c core/report/table_marks.c \
    core/report/table_markup.c core/report/table_measures.c core/report/table_numbers.c core/report/table_private.h \
    core/report/table_protocol.c core/report/table_rows.c core/report/table_text.c

# The report's page; its style and script are in the program.
libtessera_la_SOURCES += core/report/html.c core/report/html.h core/report/page.c core/report/page.h core/report/page_again.c \
    core/report/page_atlas.c core/report/page_gather_atlas.c core/report/page_against.c core/report/page_bound_steps.c \
    core/report/page_bounds.c core/report/page_codes.c core/report/page_curves.c core/report/page_gather.c \
    core/report/page_gather_pictures.c core/report/page_lines.c core/report/page_pairs.c core/report/page_parts.c \
    core/report/page_pictures.c core/report/page_private.h core/report/page_protocols.c core/report/page_references.c \
    core/report/page_stage_times.c core/report/page_stages.c core/report/page_summary.c core/report/page_table.c \
    core/report/page_times.c core/report/svg.h core/report/svg_bars.c core/report/svg_chart.c core/report/svg_dag.c \
    core/report/svg_layers.c core/report/svg_layers.h core/report/svg_private.h core/report/svg_scale.c core/report/svg_shared.c \
    core/report/svg_thin.c
nodist_libtessera_la_SOURCES = core/report/page_assets.c
core/report/page_assets.c: core/report/page.css core/report/page.js core/report/embed
	$(AM_V_GEN)$(MKDIR_P) core/report && sh $(srcdir)/core/report/embed $(srcdir)/core/report/page.css $(srcdir)/core/report/page.js > $@.part && mv $@.part $@
CLEANFILES += core/report/page_assets.c
EXTRA_DIST += core/report/page.css core/report/page.js core/report/embed
