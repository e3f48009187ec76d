# Configuration as a tree: its reader (the only code that includes <yaml.h>), merge, override, interpolate, print.
libtessera_la_SOURCES += core/config/interpolate.c core/config/merge.c core/config/merge.h core/config/override.c core/config/scalar.c \
    core/config/scalar.h core/config/spec.c core/config/spec.h core/config/spec_print.c core/config/yaml.c core/config/yaml.h \
    core/config/yaml_private.h core/config/yaml_trouble.c
