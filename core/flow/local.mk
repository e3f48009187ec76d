# Pipelines: YAML to a DAG of stages, planned, cached, run. The only code that includes <yaml.h>.
libtessera_la_SOURCES += \
    core/flow/yaml.h core/flow/yaml_private.h core/flow/yaml.c core/flow/yaml_trouble.c \
    core/flow/files.h core/flow/files.c core/flow/lock.h core/flow/lock.c \
    core/flow/load.h core/flow/load.c core/flow/merge.c core/flow/override.c core/flow/interpolate.c \
    core/flow/pipeline.h core/flow/flow_private.h core/flow/pipeline.c core/flow/stages.c core/flow/advice.c \
    core/flow/key.c core/flow/sources.c core/flow/parallel.c core/flow/cache.c core/flow/reason.c \
    core/flow/execute.c core/flow/folder.h core/flow/folder.c core/flow/room.h core/flow/room.c core/flow/stage_run.c core/flow/resolved.c
