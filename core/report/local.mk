# Results of runs: collected, compared, shown as tables.
libtessera_la_SOURCES += core/report/collect.c core/report/collect.h core/report/collect_log.c core/report/collect_private.h \
    core/report/collect_protocol.c core/report/collect_run.c core/report/collect_stage.c core/report/collect_sweep.c \
    core/report/differences.c core/report/differences.h core/report/report_memory.c core/report/statistics.c core/report/statistics.h core/report/table.c core/report/table.h \
    core/report/table_columns.c core/report/table_data.c core/report/table_marks.c core/report/table_markup.c core/report/table_measures.c \
    core/report/table_numbers.c core/report/table_private.h core/report/table_protocol.c core/report/table_rows.c core/report/table_text.c
