# Configuration as a tree: its reader (the only code that includes <yaml.h>), merge, override, interpolate, print.
libtessera_la_SOURCES += core/config/config.c core/config/config.h core/config/config_print.c core/config/interpolate.c \
    core/config/merge.c core/config/merge.h core/config/override.c core/config/scalar.c core/config/scalar.h core/config/yaml.c \
    core/config/yaml.h core/config/yaml_private.h core/config/yaml_trouble.c
