# Pipelines: a DAG of stages, planned, cached, run; and the care of the cache.
libtessera_la_SOURCES += core/flow/advice.c core/flow/cache.c core/flow/cache_lock.c core/flow/cache_lock.h core/flow/change.c \
    core/flow/change.h core/flow/change_look.c core/flow/disk_space.c core/flow/disk_space.h core/flow/execute.c core/flow/execute_lock.c core/flow/file_list.c \
    core/flow/file_list.h core/flow/finish.c core/flow/follow.c core/flow/flow_private.h core/flow/folder.c core/flow/folder.h core/flow/folder_results.c \
    core/flow/folder_results.h core/flow/gc.c core/flow/gc.h \
    core/flow/inventory.c core/flow/inventory.h core/flow/key.c core/flow/load.c core/flow/load.h core/flow/parallel.c \
    core/flow/pictures.c core/flow/pictures.h core/flow/pipeline.c core/flow/pipeline.h core/flow/predict.c core/flow/ranks_agree.c core/flow/rates.c \
    core/flow/rates.h core/flow/reason.c core/flow/resolved.c core/flow/run_log.c core/flow/run_log.h core/flow/settled.c \
    core/flow/sources.c core/flow/stage_record.c core/flow/stage_record.h core/flow/stage_run.c core/flow/stages.c core/flow/why.c \
    core/flow/why.h
